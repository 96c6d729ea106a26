using System.Xml.Linq;
using Octavo.Testing;

namespace Octavo.Tests;

/// <summary>The arrows between the rooms (docs/architecture.md): who may reference whom, and who may use what.</summary>
public sealed class ProjectGraphTests
{
    private static readonly Dictionary<string, string[]> AllowedProjects = new()
    {
        ["Octavo.Formats"] = [],
        ["Octavo.Text"] = [],
        ["Octavo.Models"] = ["Octavo.Formats"],
        ["Octavo.Engine"] = ["Octavo.Models", "Octavo.Text"],
        ["Octavo.Cpu"] = ["Octavo.Models", "Octavo.Engine"],
        ["Octavo.Quantization"] = ["Octavo.Formats", "Octavo.Text", "Octavo.Models", "Octavo.Cpu"],
        ["Octavo"] = ["Octavo.Formats", "Octavo.Text", "Octavo.Models", "Octavo.Engine", "Octavo.Cpu"],
        ["Octavo.Server"] = ["Octavo"],
        ["Octavo.Lab"] = ["Octavo", "Octavo.Engine", "Octavo.Cpu"],
        ["Octavo.Cli"] = ["Octavo", "Octavo.Lab", "Octavo.Quantization", "Octavo.Server"],
    };

    private static readonly Dictionary<string, string[]> AllowedPackages = new()
    {
        ["Octavo.Cpu"] = ["Iced"],
        ["Octavo"] = ["Microsoft.Extensions.AI.Abstractions", "Microsoft.Extensions.DependencyInjection.Abstractions"],
        ["Octavo.Cli"] = ["System.CommandLine", "Spectre.Console"],
    };

    [Fact]
    public void Projects_References_FollowTheArrows()
    {
        Assert.SkipWhen(Repository.Root is null, "needs the checkout");
        string[] projects = Directory.GetFiles(Path.Combine(Repository.Root, "src"), "*.csproj", SearchOption.AllDirectories);
        projects.Select(Path.GetFileNameWithoutExtension).ShouldBe(AllowedProjects.Keys, ignoreOrder: true);
        foreach (string project in projects)
        {
            string name = Path.GetFileNameWithoutExtension(project);
            XDocument document = XDocument.Load(project);
            string[] references = [.. Includes(document, "ProjectReference").Select(r => Path.GetFileNameWithoutExtension(r.Replace('\\', '/')))];
            references.ShouldBeSubsetOf(AllowedProjects[name], $"{name} references a project that stands above it");
            Includes(document, "PackageReference").ShouldBeSubsetOf(AllowedPackages.GetValueOrDefault(name, []), $"{name} uses a package that belongs to another room");
            bool usesAspNet = Includes(document, "FrameworkReference").Contains("Microsoft.AspNetCore.App");
            usesAspNet.ShouldBe(name == "Octavo.Server", $"{name} and ASP.NET Core");
        }
    }

    [Fact]
    public void Projects_EachSource_HasItsTests()
    {
        Assert.SkipWhen(Repository.Root is null, "needs the checkout");
        foreach (string name in AllowedProjects.Keys)
        {
            Sources(Path.Combine(Repository.Root, "tests", name + ".Tests")).ShouldNotBeEmpty(name);
        }
    }

    // Without what a build leaves behind.
    private static IEnumerable<string> Sources(string folder) =>
        Directory.GetFiles(folder, "*.cs").Concat(
            Directory.GetDirectories(folder).Where(d => Path.GetFileName(d) is not ("bin" or "obj")).SelectMany(Sources));

    private static string[] Includes(XDocument document, string element) =>
        [.. document.Descendants(element).Select(e => e.Attribute("Include")!.Value)];
}
