using Octavo.Cli.Options;
using Octavo.Cli.Terminal;

namespace Octavo.Cli.Tests;

public sealed class SettingsFileTests
{
    [Fact]
    public void ToJson_ThenRead_IsTheSame()
    {
        var settings = new SettingsFile { Batching = BatchingMode.Fixed, MaxNumSeqs = 16, MaxNumBatchedTokens = 256, TargetItlMilliseconds = 50 };
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, settings.ToJson());
            SettingsFile.Read(path).ShouldBe(settings);
            File.WriteAllText(path, "\uFEFF" + settings.ToJson());      // as some editors write it
            SettingsFile.Read(path).ShouldBe(settings);
            File.WriteAllText(path, """{"max_num_sequences": 4}""");
            Should.Throw<UsageException>(() => SettingsFile.Read(path)).Message.ShouldContain("max_num_sequences");
        }
        finally
        {
            File.Delete(path);
        }
    }
}
