namespace Octavo.Text.Templates;

/// <summary>
/// A sort that keeps the order of equals and lets faults of the comparison through as they are, which List.Sort does
/// not.
/// </summary>
internal static class StableSort
{
    public static T[] Sort<T>(T[] items, Comparison<T> compare)
    {
        if (items.Length < 2)
        {
            return items;
        }

        T[] left = Sort(items[..(items.Length / 2)], compare);
        T[] right = Sort(items[(items.Length / 2)..], compare);
        for (int i = 0, l = 0, r = 0; i < items.Length; i++)
        {
            bool takeLeft = r == right.Length || (l < left.Length && compare(right[r], left[l]) >= 0);
            items[i] = takeLeft ? left[l++] : right[r++];
        }

        return items;
    }
}
