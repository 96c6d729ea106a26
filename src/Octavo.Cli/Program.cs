using Octavo.Cli;

return await CommandLine.RunAsync(args).ConfigureAwait(false);
