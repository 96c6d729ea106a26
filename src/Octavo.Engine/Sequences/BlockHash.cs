using System.Buffers;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Octavo.Engine.Sequences;

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

/// <summary>
/// The hashes of a prompt's full blocks, computed when first needed and once for all completions of the prompt.
/// </summary>
internal sealed class PromptHashes(string? salt)
{
    private readonly List<BlockHash> _hashes = [];

    public BlockHash Root { get; } = BlockHash.Root(salt);

    public BlockHash At(int block, ReadOnlySpan<int> tokens, int blockSize)
    {
        for (int i = _hashes.Count; i <= block; i++)
        {
            _hashes.Add((i == 0 ? Root : _hashes[i - 1]).Next(tokens.Slice(i * blockSize, blockSize)));
        }

        return _hashes[block];
    }
}
