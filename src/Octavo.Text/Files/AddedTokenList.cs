using Octavo.Text.Tokens;

namespace Octavo.Text.Files;

/// <summary>All added tokens of a tokenizer: those of tokenizer.json, and those that stand only beside it.</summary>
internal static class AddedTokenList
{
    /// <summary>
    /// Puts the files together. A token that both know keeps its id and gets the flags from beside; once special, it
    /// stays so. One that only the configuration lists gets the id that the vocabulary has for its text, else the one
    /// it is listed under, else, where that is another's or none is given, the next free one.
    /// </summary>
    /// <param name="ofFile">The <c>added_tokens</c> of tokenizer.json.</param>
    /// <param name="config">What stands beside it.</param>
    /// <param name="vocab">The model's own vocabulary.</param>
    public static AddedToken[] Merge(
        IReadOnlyList<AddedToken> ofFile, TokenizerConfig config, IReadOnlyDictionary<string, int> vocab)
    {
        OrderedDictionary<string, AddedToken> tokens = new(StringComparer.Ordinal);
        HashSet<int> taken = [.. vocab.Values];
        foreach (AddedToken token in ofFile)
        {
            Put(token);
        }

        HashSet<string> special = [.. config.Special.Select(t => t.Content)];
        foreach (AddedToken token in config.Added)
        {
            Put(token with { Special = token.Special || special.Contains(token.Content) });
        }

        foreach (AddedToken token in config.Special)
        {
            if (!tokens.TryGetValue(token.Content, out AddedToken? known))
            {
                Put(token);
            }
            else if (config.NamesMakeSpecial && !known.Special)
            {
                Put(known with { Special = true });
            }
        }

        return [.. tokens.Values];

        void Put(AddedToken token)
        {
            if (token.Content.Length == 0)
            {
                return;
            }

            if (tokens.TryGetValue(token.Content, out AddedToken? known))
            {
                tokens[token.Content] = token with { Id = known.Id, Special = token.Special || known.Special };
                return;
            }

            int id = vocab.TryGetValue(token.Content, out int ofModel) ? ofModel
                : token.Id != AddedToken.NoId && !taken.Contains(token.Id) ? token.Id
                : taken.Count == 0 ? 0 : taken.Max() + 1;
            taken.Add(id);
            tokens.Add(token.Content, token with { Id = id });
        }
    }
}
