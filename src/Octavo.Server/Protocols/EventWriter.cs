using System.Buffers;
using System.Text.Json;

namespace Octavo.Server.Protocols;

/// <summary>Server-sent events of JSON, written to any buffer.</summary>
internal sealed class EventWriter(IBufferWriter<byte> output) : IDisposable
{
    private readonly Utf8JsonWriter _json = JsonText.CreateWriter(output);

    public void Write(Action<Utf8JsonWriter> write)
    {
        output.Write("data: "u8);
        write(_json);
        _json.Flush();
        _json.Reset();
        output.Write("\n\n"u8);
    }

    /// <summary>Writes a comment, which clients skip: it tells proxies that the stream lives.</summary>
    public void WriteKeepAlive() => output.Write(": keep-alive\n\n"u8);

    /// <summary>Writes OpenAI's last event.</summary>
    public void WriteDone() => output.Write("data: [DONE]\n\n"u8);

    public void Dispose() => _json.Dispose();
}
