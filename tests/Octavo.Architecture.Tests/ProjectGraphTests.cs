using System.Reflection;
using System.Xml.Linq;
using Octavo.Testing;

namespace Octavo.Architecture.Tests;

/// <summary>
/// The arrows between the rooms (docs/architecture.md): who may reference whom, and who may use what.
/// </summary>
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

    /// <summary>What stands under src.</summary>
    internal static IEnumerable<string> Projects => AllowedProjects.Keys;

    [Fact]
    public void Projects_References_FollowTheArrows()
    {
        Assert.SkipWhen(Repository.Root is null, "needs the checkout");
        string[] projects =
            Directory.GetFiles(Path.Combine(Repository.Root, "src"), "*.csproj", SearchOption.AllDirectories);
        projects.Select(Path.GetFileNameWithoutExtension).ShouldBe(AllowedProjects.Keys, ignoreOrder: true);
        foreach (string project in projects)
        {
            string name = Path.GetFileNameWithoutExtension(project);
            XDocument document = XDocument.Load(project);
            References(document).ShouldBeSubsetOf(
                AllowedProjects[name], $"{name} references a project that stands above it");
            Includes(document, "PackageReference").ShouldBeSubsetOf(
                AllowedPackages.GetValueOrDefault(name, []), $"{name} uses a package that belongs to another room");
            bool usesAspNet = Includes(document, "FrameworkReference").Contains("Microsoft.AspNetCore.App");
            usesAspNet.ShouldBe(name == "Octavo.Server", $"{name} and ASP.NET Core");
        }
    }

    [Fact]
    public void Projects_References_AreNeeded()
    {
        Assert.SkipWhen(Repository.Root is null, "needs the checkout");
        foreach (string name in AllowedProjects.Keys)
        {
            // The compiler notes those assemblies alone of which something is used.
            var used = Assembly.Load(name).GetReferencedAssemblies().Select(a => a.Name!);
            References(ProjectFile(name)).Except(used).ShouldBeEmpty($"{name} uses nothing of what it references");
        }
    }

    [Fact]
    public void Projects_EachSource_HasItsTests()
    {
        Assert.SkipWhen(Repository.Root is null, "needs the checkout");
        foreach (string name in AllowedProjects.Keys)
        {
            ProjectSource.Files(Path.Combine(Repository.Root, "tests", name + ".Tests")).ShouldNotBeEmpty(name);
        }
    }

    private static XDocument ProjectFile(string name) =>
        XDocument.Load(Path.Combine(Repository.Root!, "src", name, name + ".csproj"));

    private static string[] References(XDocument project) =>
        [.. Includes(project, "ProjectReference").Select(r => Path.GetFileNameWithoutExtension(r.Replace('\\', '/')))];

    private static string[] Includes(XDocument document, string element) =>
        [.. document.Descendants(element).Select(e => e.Attribute("Include")!.Value)];
}
