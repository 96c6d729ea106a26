using Octavo.Formats;

namespace Octavo.Models;

/// <summary>The activations by their names in transformers 5.24, <c>activations.py</c>.</summary>
internal static class ActivationConfig
{
    private static readonly Dictionary<string, Activation> Known = new(StringComparer.Ordinal)
    {
        ["silu"] = Activation.Silu,
        ["swish"] = Activation.Silu,
        ["relu"] = Activation.Relu,
        ["relu2"] = Activation.SquaredRelu,
        ["gelu"] = Activation.Gelu,
        ["gelu_python"] = Activation.Gelu,
        ["gelu_new"] = Activation.TanhGelu,
        ["gelu_fast"] = Activation.TanhGelu,
        ["gelu_pytorch_tanh"] = Activation.TanhGelu,
        ["gelu_python_tanh"] = Activation.TanhGelu,
        ["xielu"] = Activation.XIelu,
    };

    /// <summary>The activation that a field names.</summary>
    /// <exception cref="UnsupportedModelException">It names another one.</exception>
    public static Activation Read(ConfigReader config, string field, Activation fallback) =>
        config.Text(field) is not { } name ? fallback
            : Known.TryGetValue(name, out Activation activation) ? activation
            : throw new UnsupportedModelException(config.File, config.PathOf(field), $"'{name}'", Known.Keys);
}
