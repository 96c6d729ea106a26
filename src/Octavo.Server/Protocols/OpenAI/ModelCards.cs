using System.Text.Json;

namespace Octavo.Server.Protocols.OpenAI;

/// <summary>Answers of <c>/v1/models</c>.</summary>
/// <param name="model">The model.</param>
/// <param name="names">What requests may call it.</param>
/// <param name="root">What it was loaded from, where that may be known.</param>
internal sealed class ModelCards(ModelInfo model, IReadOnlyList<string> names, string? root)
{
    private readonly long _created = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();

    public void WriteList(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("object", "list");
        json.WriteStartArray("data");
        foreach (string name in names)
        {
            Write(json, name);
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>The card under one of its names.</summary>
    public void Write(Utf8JsonWriter json, string name)
    {
        json.WriteStartObject();
        json.WriteString("id", name);
        json.WriteString("object", "model");
        json.WriteNumber("created", _created);
        json.WriteString("owned_by", "octavo");
        json.WriteString("root", root ?? name);
        json.WriteNull("parent");
        json.WriteNumber("max_model_len", model.MaxModelLen);
        json.WriteEndObject();
    }
}
