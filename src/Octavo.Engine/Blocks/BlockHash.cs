using System.Buffers;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Octavo.Engine.Blocks;

/// <summary>
/// The identity of a full block's content: SHA-256 over the hash of the block before it and its own tokens, so that
/// equal hashes mean equal whole prefixes. The first block hashes a salt instead of a predecessor.
/// </summary>
internal readonly record struct BlockHash(ulong A, ulong B, ulong C, ulong D)
{
    private const int Size = 32;

    /// <summary>The chain's beginning for requests of one salt; requests with different salts share no block.</summary>
    public static BlockHash Root(string? salt)
    {
        Span<byte> digest = stackalloc byte[Size];
        SHA256.HashData(Encoding.UTF8.GetBytes(salt is null ? "octavo" : "octavo-salt:" + salt), digest);
        return MemoryMarshal.Read<BlockHash>(digest);
    }

    /// <summary>The hash of the block that holds <paramref name="tokens"/> after this one.</summary>
    public BlockHash Next(ReadOnlySpan<int> tokens)
    {
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(tokens);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(Size + bytes.Length);
        MemoryMarshal.Write(buffer, this);
        bytes.CopyTo(buffer.AsSpan(Size));
        Span<byte> digest = stackalloc byte[Size];
        SHA256.HashData(buffer.AsSpan(0, Size + bytes.Length), digest);
        ArrayPool<byte>.Shared.Return(buffer);
        return MemoryMarshal.Read<BlockHash>(digest);
    }
}
