using Octavo.Server.Jobs;

namespace Octavo.Server.Protocols.OpenAI;

/// <summary>A request that was understood, and how it will be answered.</summary>
/// <param name="Job">What is to be run.</param>
/// <param name="Response">Writes what becomes of it.</param>
/// <param name="Stream">Whether the answer is to come in events, as it is made.</param>
/// <param name="Notes">What the log is to hear of its fields.</param>
internal sealed record Exchange(Job Job, GenerationResponse Response, bool Stream, FieldNotes Notes);
