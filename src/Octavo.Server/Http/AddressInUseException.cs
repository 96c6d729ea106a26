namespace Octavo.Server;

/// <summary>Somebody else listens where a server was to.</summary>
public sealed class AddressInUseException(string host, int port, Exception? inner)
    : IOException($"{host}:{port} is in use already: stop what listens there, or choose another port", inner);
