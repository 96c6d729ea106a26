namespace Octavo.Testing;

/// <summary>
/// How much of a test that could go on for ever is run: a fixed tenth, so that the tests stay quick, or with
/// <c>OCTAVO_EXTENSIVE=1</c> all of it.
/// </summary>
public static class Extent
{
    /// <summary>How many of so many cases to run; always the same ones.</summary>
    public static int Of(int all) => Environment.GetEnvironmentVariable("OCTAVO_EXTENSIVE") == "1" ? all : all / 10;
}
