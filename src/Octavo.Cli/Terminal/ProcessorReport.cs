using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using System.Text;

namespace Octavo.Cli.Terminal;

/// <summary>
/// What this processor can do, from its own CPUID; what of it the kernels take is the backend's to say.
/// </summary>
internal static class ProcessorReport
{
    /// <summary>The processor's own name, or its architecture's.</summary>
    public static string Name { get; } = ReadName();

    /// <summary>Features that matter here and whether the processor reports them; none on other than x86.</summary>
    public static IReadOnlyList<(string Name, bool Present)> Features => Backends.Default.Features;

    private static string ReadName()
    {
        const int FirstNameLeaf = unchecked((int)0x80000002);
        const int LastNameLeaf = unchecked((int)0x80000004);
        if (!X86Base.IsSupported || X86Base.CpuId(unchecked((int)0x80000000), 0).Eax < LastNameLeaf)
        {
            return RuntimeInformation.ProcessArchitecture.ToString();
        }

        Span<int> words = stackalloc int[12];
        for (int leaf = FirstNameLeaf; leaf <= LastNameLeaf; leaf++)
        {
            int at = (leaf - FirstNameLeaf) * 4;
            (words[at], words[at + 1], words[at + 2], words[at + 3]) = X86Base.CpuId(leaf, 0);
        }

        return Encoding.ASCII.GetString(MemoryMarshal.AsBytes(words)).TrimEnd('\0', ' ').Trim();
    }
}
