#!/usr/bin/env bash
# Packs everything and uses it as a stranger would: the tool from an empty directory, the library from a new project.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
packages=$root/artifacts/packages
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

fail() { echo "error: $*" >&2; exit 1; }

rm -rf "$packages"
dotnet pack "$root" -c Release -v quiet

for library in Octavo Octavo.Cpu Octavo.Engine Octavo.Formats Octavo.Models Octavo.Quantization Octavo.Server Octavo.Text Octavo.Cli; do
  package=$(ls "$packages/$library".[0-9]*.nupkg)
  [ -f "${package%.nupkg}.snupkg" ] || fail "$library has no symbols"
  files=$(unzip -Z1 "$package")
  for file in README.md LICENSE; do
    grep -qx "$file" <<< "$files" || fail "$library lacks $file"
  done
  grep -q "/$library\.xml$" <<< "$files" || fail "$library has no documentation"
  unzip -p "$package" "$library.nuspec" | grep -q '<license type="expression">Apache-2.0</license>' || fail "$library names no licence"
done

version=$(basename "$packages"/Octavo.Cli.*.nupkg .nupkg)
version=${version#Octavo.Cli.}
# A package cache of its own, so that no earlier build of the same version answers.
export NUGET_PACKAGES=$work/cache

mkdir "$work/empty"
cd "$work/empty"
dotnet tool install Octavo.Cli --version "$version" --tool-path "$work/tool" --add-source "$packages" > /dev/null
[ "$("$work/tool/octavo" --version)" = "octavo $version" ] || fail "the tool does not know its version"
told=$("$work/tool/octavo" generate "Once upon a time" --temperature 0 --dtype float32 --max-tokens 12)
[[ $told == "Once upon a time a sleepy boy"* ]] || fail "the tool told another story: $told"
"$work/tool/octavo" inspect --json | grep -q '"LlamaForCausalLM"' || fail "the tool cannot inspect its model"

mkdir "$work/app"
cd "$work/app"
cat > app.csproj <<EOF
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <OutputType>Exe</OutputType>
    <TargetFramework>net10.0</TargetFramework>
    <ImplicitUsings>enable</ImplicitUsings>
    <RestoreAdditionalProjectSources>$packages</RestoreAdditionalProjectSources>
  </PropertyGroup>
  <ItemGroup>
    <PackageReference Include="Octavo" Version="$version" />
  </ItemGroup>
</Project>
EOF
cat > Program.cs <<'EOF'
using Microsoft.Extensions.AI;
using Octavo;

using var llm = LLM.Load(args[0], options: new EngineOptions { Model = new() { Dtype = ModelDtype.Float32 } });
var sampling = new SamplingParams { Temperature = 0, MaxTokens = 12 };
Console.WriteLine(llm.Generate("Once upon a time", sampling).Outputs[0].Text);
ChatResponse answer = await llm.Engine.AsChatClient().GetResponseAsync("The fox", new ChatOptions { MaxOutputTokens = 3 });
Console.WriteLine(answer.Usage!.OutputTokenCount);
EOF
told=$(dotnet run -c Release -- "$root/models/tales")
[[ $told == " a sleepy boy"*$'\n'3 ]] || fail "the library told another story: $told"
echo "packages: $(ls "$packages"/*.nupkg | wc -l) packed, the tool and the library work"
