using System.Globalization;
using Octavo.Formats;

namespace Octavo.Cli.Inspect;

/// <summary>A tensor, or the same tensor of many layers.</summary>
/// <param name="Name">Its name; of many, with the layers' numbers as a range.</param>
/// <param name="Type">Its element type, as in the file.</param>
/// <param name="Shape">Its shape.</param>
/// <param name="Bytes">Its bytes, of all layers together.</param>
/// <param name="Count">How many tensors the row stands for.</param>
internal sealed record TensorRow(string Name, string Type, IReadOnlyList<long> Shape, long Bytes, int Count)
{
    /// <summary>Orders names so that layer 2 comes before layer 10.</summary>
    public static Comparer<TensorRow> NaturalOrder { get; } = Comparer<TensorRow>
        .Create((a, b) => CompareNames(a.Name, b.Name));

    /// <summary>The row of one tensor.</summary>
    public static TensorRow Of(Tensor tensor) =>
        new(tensor.Name, tensor.Type.Name(), tensor.Shape, tensor.ByteLength, 1);

    /// <summary>Folds tensors that differ only in their layer's number into one row each.</summary>
    public static IReadOnlyList<TensorRow> Fold(IEnumerable<TensorRow> rows) =>
    [
        .. rows
            .Select(row => (Row: row, Layer: LayerOf(row.Name)))
            .GroupBy(r => (Pattern: r.Layer is { } at ? Replace(r.Row.Name, at, "*") : r.Row.Name, r.Row.Type,
                Shape: string.Join('x', r.Row.Shape)))
            .Select(group => Merge([.. group])),
    ];

    private static TensorRow Merge((TensorRow Row, Range? Layer)[] group)
    {
        (TensorRow first, Range? layer) = group[0];
        if (group.Length == 1 || layer is not { } at)
        {
            return first;
        }

        string range = $"{{{first.Name[at]}…{group[^1].Row.Name[group[^1].Layer!.Value]}}}";
        return first with
        {
            Name = Replace(first.Name, at, range),
            Bytes = group.Sum(g => g.Row.Bytes),
            Count = group.Length,
        };
    }

    private static string Replace(string name, Range at, string by) => name[..at.Start] + by + name[at.End..];

    // The first part of a dotted name that is a number.
    private static Range? LayerOf(string name)
    {
        foreach (Range part in name.AsSpan().Split('.'))
        {
            if (IsNumber(name.AsSpan(part), out _))
            {
                return part;
            }
        }

        return null;
    }

    private static bool IsNumber(ReadOnlySpan<char> text, out int number) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);

    private static int CompareNames(string a, string b)
    {
        string[] left = a.Split('.');
        string[] right = b.Split('.');
        for (int i = 0; i < Math.Min(left.Length, right.Length); i++)
        {
            int order = IsNumber(left[i], out int x) && IsNumber(right[i], out int y)
                ? x.CompareTo(y)
                : string.CompareOrdinal(left[i], right[i]);
            if (order != 0)
            {
                return order;
            }
        }

        return left.Length.CompareTo(right.Length);
    }
}
