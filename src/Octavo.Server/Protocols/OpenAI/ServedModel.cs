using System.Security.Cryptography;
using System.Text;

namespace Octavo.Server.Protocols.OpenAI;

/// <summary>What answers say of the model.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Fingerprint">
/// A constant of this program's version, the checkpoint, and the way in which weights, head and cache are held: where
/// it is the same, a seed gives the same text.
/// </param>
internal sealed record ServedModel(string Name, string Fingerprint)
{
    private const int FingerprintBytes = 8;

    public static ServedModel Of(ModelInfo model, string name, string version)
    {
        string facts = string.Join(
            '\n', version, model.CheckpointHash, model.Weights, model.Head, model.StoredQuantization, model.KvCache);
        return new ServedModel(
            name,
            "fp_" + Convert.ToHexStringLower(
                SHA256.HashData(Encoding.UTF8.GetBytes(facts)).AsSpan(0, FingerprintBytes)));
    }
}
