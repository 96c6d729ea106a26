using Octavo.Formats.Hub;

namespace Octavo.Formats.Tests.Hub;

public sealed class HubSettingsTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("HOME=/h", "/h/.cache/huggingface/hub")]
    [InlineData("HOME=/h XDG_CACHE_HOME=/x", "/x/huggingface/hub")]
    [InlineData("HOME=/h XDG_CACHE_HOME=/x HF_HOME=/y", "/y/hub")]
    [InlineData("HF_HOME=/y HUGGINGFACE_HUB_CACHE=/z", "/z")]
    [InlineData("HF_HOME=/y HUGGINGFACE_HUB_CACHE=/z HF_HUB_CACHE=/w", "/w")]
    [InlineData("HOME=/h HF_HUB_CACHE=~/models", "/h/models")]
    [InlineData("HOME=/h HF_HOME=$DISK/${NAME}x", "/d/nx/hub", "DISK=/d NAME=n")]
    [InlineData("HF_HUB_CACHE=/a/$UNSET", "/a/$UNSET")]
    [InlineData("HOME=/h HF_HOME=", "/h/.cache/huggingface/hub")]
    public void Read_CacheDirectory_IsPythons(string variables, string expected, string more = "") =>
        Read(variables + " " + more).CacheDirectory.ShouldBe(Path.GetFullPath(expected));

    [Theory]
    [InlineData("HF_HOME=/y", false)]
    [InlineData("HF_HOME=/y HF_HUB_OFFLINE=1", true)]
    [InlineData("HF_HOME=/y HF_HUB_OFFLINE=yes", true)]
    [InlineData("HF_HOME=/y HF_HUB_OFFLINE=True", true)]
    [InlineData("HF_HOME=/y HF_HUB_OFFLINE=0", false)]
    [InlineData("HF_HOME=/y TRANSFORMERS_OFFLINE=1", true)]
    public void Read_Offline_IsPythons(string variables, bool expected) => Read(variables).Offline.ShouldBe(expected);

    [Fact]
    public void Read_Token_IsTheVariablesElseTheFiles()
    {
        _directory.Write("token", " hf_file\n");
        _directory.Write("other", "hf_other");
        string home = "HF_HOME=" + _directory.Root;
        Read(home).Token.ShouldBe("hf_file");
        Read($"{home} HF_TOKEN_PATH={_directory["other"]}").Token.ShouldBe("hf_other");
        Read($"{home} HF_TOKEN=hf_x").Token.ShouldBe("hf_x");
        Read($"{home} HUGGING_FACE_HUB_TOKEN=hf_old").Token.ShouldBe("hf_old");
        Read($"{home} HF_TOKEN=").Token.ShouldBe("hf_file");
        Read($"{home} HF_TOKEN_PATH=/no/such").Token.ShouldBeNull();
    }

    [Fact]
    public void Read_Endpoint_IsTheVariables()
    {
        Read("HF_HOME=/y").Endpoint.ShouldBe("https://huggingface.co");
        Read("HF_HOME=/y HF_ENDPOINT=https://hub.lan:8443/hf/").Endpoint.ShouldBe("https://hub.lan:8443/hf");
        Should.Throw<HubException>(() => Read("HF_HOME=/y HF_ENDPOINT=hub.lan")).Message.ShouldContain("HF_ENDPOINT");
    }

    private static HubSettings Read(string variables)
    {
        var values = variables.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(v => v.Split('=', 2))
            .ToDictionary(v => v[0], v => v[1]);
        return HubSettings.Read(values.GetValueOrDefault);
    }
}
