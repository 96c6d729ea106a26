namespace Octavo.Quantization;

/// <summary>Something that cannot be evaluated or quantized as asked; the message says what and why.</summary>
public sealed class QuantizationException(string message, Exception? inner = null) : Exception(message, inner)
{
    internal static void ThrowIf(bool wrong, string message)
    {
        if (wrong)
        {
            throw new QuantizationException(message);
        }
    }
}
