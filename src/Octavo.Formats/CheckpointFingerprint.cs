using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Octavo.Formats;

/// <summary>Tells checkpoints apart by what their headers say, without a pass over the weights.</summary>
internal static class CheckpointFingerprint
{
    /// <summary>
    /// A hash, in hexadecimal, of the files' names and sizes and of every tensor's name, type, shape and size. Wherever
    /// the checkpoint lies, it is the same.
    /// </summary>
    public static string Of(Checkpoint checkpoint)
    {
        var text = new StringBuilder();
        foreach (string file in checkpoint.Files.Order(StringComparer.Ordinal))
        {
            // Not FileInfo: links, as the hub's cache has them, have lengths of their own.
            using SafeFileHandle opened = File.OpenHandle(file);
            text.Append(CultureInfo.InvariantCulture, $"{Path.GetFileName(file)} {RandomAccess.GetLength(opened)}\n");
        }

        foreach (Tensor tensor in checkpoint.Tensors.Values.OrderBy(t => t.Name, StringComparer.Ordinal))
        {
            text.Append(
                CultureInfo.InvariantCulture,
                $"{tensor.Name} {tensor.Type} {string.Join('x', tensor.Shape)} {tensor.ByteLength}\n");
        }

        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));
    }
}
