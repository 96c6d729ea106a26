namespace Octavo.Text;

/// <summary>A text that this tokenizer cannot encode; the message says why.</summary>
internal sealed class TextEncodingException(string message, Exception? innerException = null)
    : InvalidOperationException(message, innerException);
