namespace Octavo.Quantization.Evaluation;

/// <summary>A stretch of one document that a model reads at once, and how much of it is scored.</summary>
/// <param name="Document">The document's number; scores within a document are not independent.</param>
/// <param name="Ids">Its tokens.</param>
/// <param name="FirstScored">The first token that is scored; those before it are context only. At least 1.</param>
internal sealed record TextWindow(int Document, int[] Ids, int FirstScored)
{
    /// <summary>
    /// Cuts documents into windows: each document's windows begin <paramref name="stride"/> tokens apart, and each
    /// scores the tokens that no window before it scored. A document's first token is nobody's to predict.
    /// </summary>
    /// <param name="documents">Token ids by document.</param>
    /// <param name="length">Tokens a window.</param>
    /// <param name="stride">Tokens between the beginnings of two windows, less than <paramref name="length"/>.</param>
    public static IReadOnlyList<TextWindow> Cut(IReadOnlyList<int[]> documents, int length, int stride)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 2);
        ArgumentOutOfRangeException.ThrowIfLessThan(stride, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(stride, length);
        List<TextWindow> windows = [];
        for (int document = 0; document < documents.Count; document++)
        {
            int[] ids = documents[document];
            int scored = 1;
            int begin = 0;
            while (scored < ids.Length)
            {
                int end = Math.Min(begin + length, ids.Length);
                windows.Add(new TextWindow(document, ids[begin..end], scored - begin));
                scored = end;
                begin += stride;
            }
        }

        return windows;
    }
}
