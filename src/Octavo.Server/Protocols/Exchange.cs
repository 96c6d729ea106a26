using System.Text.Json;
using Octavo.Server.Jobs;

namespace Octavo.Server.Protocols;

/// <summary>A request that was understood, and how it will be answered.</summary>
/// <param name="Job">What is to be run.</param>
/// <param name="Response">Writes what becomes of it.</param>
/// <param name="Stream">Whether the answer is to come in events, as it is made.</param>
/// <param name="Notes">What the log is to hear of its fields.</param>
internal sealed record Exchange(Job Job, IResponse Response, bool Stream, FieldNotes Notes);

/// <summary>Writes what becomes of a job in the words of a protocol: at once, or in events.</summary>
internal interface IResponse
{
    /// <summary>The whole answer.</summary>
    /// <param name="json">Receives it.</param>
    /// <param name="outputs">Each prompt's last output.</param>
    void Write(Utf8JsonWriter json, RequestOutput[] outputs);

    /// <summary>The events that tell what is new.</summary>
    /// <param name="events">Receives them.</param>
    /// <param name="prompt">The index of the prompt that it concerns.</param>
    /// <param name="output">What is new.</param>
    void WriteEvents(EventWriter events, int prompt, RequestOutput output);

    /// <summary>The events after the last output.</summary>
    void WriteLastEvents(EventWriter events);

    /// <summary>The events that end a stream early; its status has left already.</summary>
    void WriteError(EventWriter events, ApiException error);
}
