using Octavo.Engine;
using Octavo.Formats;

namespace Octavo.Cli.Terminal;

/// <summary>What reports call a setting: the word that its option takes.</summary>
internal static class SettingNames
{
    /// <summary>The name that <c>--quantization</c> takes.</summary>
    public static string Of(WeightScheme scheme) => scheme.Name ?? scheme.ToString();

    /// <summary>The name that <c>--kv-cache-dtype</c> takes.</summary>
    public static string Of(KvCacheFormat format) => format.ToString().ToLowerInvariant();
}
