using System.Text;

namespace Octavo.Formats.Tests;

public sealed class HostileFileTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    // What is wrong => the file, and words that the message must hold.
    private static readonly Dictionary<string, (byte[] File, string[] Words)> Table = new()
    {
        ["empty file"] = ([], ["0 bytes", "8"]),
        ["seven bytes"] = ([1, 0, 0, 0, 0, 0, 0], ["7 bytes"]),
        ["header of length 0"] = (RawFile.Build("", 4), ["'{'"]),
        ["header longer than the file"] = (RawFile.Build("{}"u8.ToArray(), 4, 7), ["7", "6 bytes follow"]),
        ["header above the limit"] = (RawFile.Build("{}"u8.ToArray(), 4, 100_000_001), ["100000001", "100000000"]),
        ["header length of 2^64-1"] = (RawFile.Build("{}"u8.ToArray(), 4, -1), ["18446744073709551615"]),
        ["array for a header"] = (RawFile.Build("[]", 0), ["'{'"]),
        ["white space before the header"] = (RawFile.Build(" {}", 0), ["'{'"]),
        ["not UTF-8"] = (RawFile.Build([(byte)'{', (byte)'"', 0xFF, (byte)'"', (byte)'}'], 0), ["UTF-8"]),
        ["not JSON"] = (RawFile.Build("{oops}", 0), ["JSON"]),
        ["unfinished JSON"] = (RawFile.Build("{\"a\":{", 0), ["JSON"]),
        ["text after the object"] = (RawFile.Build("{}{}", 0), ["JSON"]),
        ["NUL padding"] = (RawFile.Build("{}\0\0", 0), ["JSON"]),
        ["comment"] = (RawFile.Build("{/**/}", 0), ["JSON"]),
        ["nested beyond reason"] = (RawFile.Build($"{{\"a\":{new string('[', 5000)}", 0), ["'a'"]),
        ["nested in an unknown field"] =
            (RawFile.Build($"{{\"a\":{{\"x\":{new string('[', 5000)}", 0), ["JSON"]),
        ["half a surrogate pair in a name"] = (RawFile.Build("{\"\\ud800\":{}}", 0), ["JSON"]),
        ["half a surrogate pair in a dtype"] =
            (RawFile.Build("{" + RawFile.Entry("a", "\\udfff", "[1]", "[0,4]") + "}", 4), ["JSON"]),
        ["duplicate name"] = Header(4, ["'a'", "twice"], ("F16", "[1]", "[0,2]", "a"), ("F16", "[1]", "[2,4]", "a")),
        ["duplicate name, escaped"] =
            Header(4, ["'a'", "twice"], ("F16", "[1]", "[0,2]", "a"), ("F16", "[1]", "[2,4]", "\\u0061")),
        ["duplicate metadata"] = (RawFile.Build("{\"__metadata__\":{},\"__metadata__\":{}}", 0), ["twice"]),
        ["metadata that is no object"] = (RawFile.Build("{\"__metadata__\":[1]}", 0), ["__metadata__", "strings"]),
        ["metadata with a number"] = (RawFile.Build("{\"__metadata__\":{\"a\":1}}", 0), ["__metadata__", "strings"]),
        ["metadata with a key twice"] =
            (RawFile.Build("{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}", 0), ["__metadata__", "once"]),
        ["tensor that is no object"] = (RawFile.Build("{\"a\":3}", 0), ["'a'", "object"]),
        ["no dtype"] = (RawFile.Build("{\"a\":{\"shape\":[],\"data_offsets\":[0,4]}}", 4), ["'a'", "dtype"]),
        ["no shape"] = (RawFile.Build("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4), ["'a'", "no shape"]),
        ["no offsets"] = (RawFile.Build("{\"a\":{\"dtype\":\"F32\",\"shape\":[]}}", 4), ["'a'", "no data_offsets"]),
        ["dtype twice"] = (RawFile.Build("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 4), ["'a'", "dtype twice"]),
        ["shape twice"] = (RawFile.Build("{\"a\":{\"shape\":[],\"shape\":[]}}", 4), ["'a'", "shape twice"]),
        ["unknown dtype"] = One("F33", "[1]", "[0,4]", 4, "'F33'", "BF16"),
        ["dtype in the wrong case"] = One("f32", "[1]", "[0,4]", 4, "'f32'"),
        ["dtype that is a number"] =
            (RawFile.Build("{\"a\":{\"dtype\":1,\"shape\":[],\"data_offsets\":[0,4]}}", 4), ["'a'", "not a string"]),
        ["negative dimension"] = One("F32", "[-1]", "[0,4]", 4, "shape"),
        ["fractional dimension"] = One("F32", "[1.5]", "[0,4]", 4, "shape"),
        ["dimension above 64 bits"] = One("F32", "[18446744073709551616]", "[0,4]", 4, "shape"),
        ["shape whose product overflows"] = One("U8", "[4294967296,4294967296]", "[0,0]", 0, "64 bits"),
        ["shape whose product overflows to 0 times 0"] = One("U8", "[4294967296,4294967296,0]", "[0,0]", 0, "64 bits"),
        ["shape whose bits overflow"] = One("F32", "[4611686018427387904]", "[0,0]", 0, "64 bits"),
        ["shape that is no array"] = One("F32", "4", "[0,4]", 4, "shape"),
        ["shape with a string"] = One("F32", "[\"4\"]", "[0,4]", 4, "shape"),
        ["offsets that are no array"] = One("F32", "[1]", "4", 4, "data_offsets"),
        ["one offset"] = One("F32", "[1]", "[4]", 4, "data_offsets", "[begin, end]"),
        ["three offsets"] = One("F32", "[1]", "[0,4,8]", 4, "data_offsets", "[begin, end]"),
        ["offsets that run backwards"] = One("F32", "[1]", "[4,0]", 4, "begin <= end"),
        ["negative offset"] = One("F32", "[1]", "[-4,0]", 4, "data_offsets"),
        ["offsets beyond the file"] = One("F32", "[2]", "[0,8]", 4, "byte 8", "holds 4", "truncated"),
        ["offsets near 2^63"] = One("U8", "[9223372036854775807]", "[0,9223372036854775807]", 4, "64 bits"),
        ["length that differs from the shape's"] = One("F32", "[2]", "[0,4]", 4, "span 4 bytes", "takes 8"),
        ["half a byte of F4"] = One("F4", "[3]", "[0,2]", 2, "3 elements of F4", "whole number of bytes"),
        ["six bits of F6_E2M3"] = One("F6_E2M3", "[1]", "[0,1]", 1, "whole number of bytes"),
        ["overlap"] = Header(6, ["'b'", "overlapping"], ("F32", "[1]", "[0,4]", "a"), ("F32", "[1]", "[2,6]", "b")),
        ["same bytes twice"] = Header(4, ["overlapping"], ("F32", "[1]", "[0,4]", "a"), ("F32", "[1]", "[0,4]", "b")),
        ["hole at the start"] = One("F32", "[1]", "[4,8]", 8, "hole after 0"),
        ["hole"] = Header(12, ["'b'", "hole after 4"], ("F32", "[1]", "[0,4]", "a"), ("F32", "[1]", "[8,12]", "b")),
        ["bytes after the last tensor"] = One("F32", "[1]", "[0,4]", 5, "end at byte 4", "holds 5"),
        ["data without tensors"] = (RawFile.Build("{}", 1), ["holds 1"]),
        ["truncated data"] = One("F32", "[4]", "[0,16]", 15, "truncated"),
    };

    public static TheoryData<string> Cases => [.. Table.Keys];

    public void Dispose() => _directory.Dispose();

    [Theory]
    [MemberData(nameof(Cases))]
    public void Open_DamagedFile_SaysWhatIsWrong(string wrong)
    {
        (byte[] file, string[] words) = Table[wrong];
        string path = _directory.Write("model.safetensors", file);
        CheckpointException error = Should.Throw<CheckpointException>(() => SafetensorsFile.Open(path));
        error.File.ShouldBe(path);
        foreach (string word in words.Append(path))
        {
            error.Message.ShouldContain(word, Case.Sensitive);
        }
    }

    [Fact]
    public void Open_HugeNameInError_MessageStaysShort()
    {
        string path = _directory.Write("a.safetensors", RawFile.Build($"{{\"{new string('n', 1_000_000)}\":3}}", 0));
        CheckpointException error = Should.Throw<CheckpointException>(() => SafetensorsFile.Open(path));
        error.Message.Length.ShouldBeLessThan(1000);
        error.Tensor!.Length.ShouldBe(1_000_000);
    }

    [Fact]
    public void Open_ShapeOfAMillionDimensions_MessageStaysShort()
    {
        string shape = $"[{string.Join(',', Enumerable.Repeat('1', 1_000_000))}]";
        string path = _directory.Write(
            "a.safetensors", RawFile.Build("{" + RawFile.Entry("a", "F32", shape, "[0,2]") + "}", 2));
        Should.Throw<CheckpointException>(() => SafetensorsFile.Open(path)).Message.Length.ShouldBeLessThan(1000);
    }

    [Fact]
    public void Open_UnknownFieldAndSpacePadding_IsAccepted()
    {
        string header = """{"a":{"later":{"x":[1]},"dtype":"U8","shape":[2],"data_offsets":[0,2]}}      """;
        using SafetensorsFile file = SafetensorsFile.Open(_directory.Write("a.safetensors", RawFile.Build(header, 2)));
        file.Tensors.ShouldHaveSingleItem().Bytes(0, 2).ToArray().ShouldBe([1, 2]);
        file.Metadata.ShouldBeEmpty();
    }

    [Fact]
    public void Open_EmptyTensorsBetweenOthers_AreAccepted()
    {
        string header = $"{{{RawFile.Entry("b", "U8", "[2]", "[0,2]")},{RawFile.Entry("z", "F32", "[0,5]", "[2,2]")},"
            + $"{RawFile.Entry("a", "F32", "[0]", "[0,0]")}}}";
        using SafetensorsFile file = SafetensorsFile.Open(_directory.Write("a.safetensors", RawFile.Build(header, 2)));
        file.Tensors.Select(tensor => tensor.Name).ShouldBe(["a", "b", "z"]);
        file.Tensors[2].Bytes(0, 0).Length.ShouldBe(0);
    }

    [Fact]
    public void Open_MissingFile_SaysSo()
    {
        Should.Throw<CheckpointException>(() => SafetensorsFile.Open(_directory["none.safetensors"]))
            .Message.ShouldContain("no such file");
    }

    [Fact]
    public void Open_Directory_IsACheckpointException()
    {
        Should.Throw<CheckpointException>(() => SafetensorsFile.Open(_directory.Root)).File.ShouldBe(_directory.Root);
    }

    private static (byte[] File, string[] Words) One(
        string type, string shape, string offsets, int dataBytes, params string[] words) =>
        Header(dataBytes, words, (type, shape, offsets, "a"));

    private static (byte[] File, string[] Words) Header(
        int dataBytes, string[] words, params (string Type, string Shape, string Offsets, string Name)[] tensors)
    {
        string entries = string.Join(',', tensors.Select(t => RawFile.Entry(t.Name, t.Type, t.Shape, t.Offsets)));
        return (RawFile.Build(Encoding.UTF8.GetBytes($"{{{entries}}}"), dataBytes), words);
    }
}
