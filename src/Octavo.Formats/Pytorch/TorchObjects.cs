namespace Octavo.Formats.Pytorch;

/// <summary>A storage that a pickle refers to: its bytes stand elsewhere in the file.</summary>
/// <param name="Type">The type of its elements; null where it is untyped, and its tensors say.</param>
/// <param name="Key">What the file calls it.</param>
/// <param name="Elements">Its elements, or its bytes where it is untyped.</param>
internal sealed record TorchStorage(TensorType? Type, string Key, long Elements)
{
    /// <summary>The storage of a persistent id, <c>('storage', class, key, location, elements, …)</c>.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static TorchStorage Of(object?[] id) =>
        id is ["storage", TorchGlobal { StorageOf: { } type }, string key, _, long elements and >= 0, ..]
            ? new TorchStorage(type.Type, key, elements)
            : throw new FormatException("the pickle has a persistent id that is no storage");
}

/// <summary>A tensor that a pickle describes.</summary>
/// <param name="Storage">Where its elements are.</param>
/// <param name="Type">Their type.</param>
/// <param name="Offset">The first one's place in the storage, in elements.</param>
/// <param name="Shape">Its dimensions, outermost first.</param>
/// <param name="Strides">Elements from one to the next in each.</param>
internal sealed record TorchTensor(TorchStorage Storage, TensorType Type, long Offset, long[] Shape, long[] Strides)
{
    /// <summary>Whether elements stand one behind another.</summary>
    public bool IsContiguous
    {
        get
        {
            long expected = 1;
            for (int i = Shape.Length - 1; i >= 0; i--)
            {
                if (Shape[i] != 1 && Strides[i] != expected)
                {
                    return false;
                }

                expected *= Shape[i];
            }

            return true;
        }
    }
}

/// <summary>What a pickle of tensors may name: a class of storages, a type of elements, or a function that makes a
/// tensor of one. They are known by name here, and nothing is called.</summary>
internal sealed class TorchGlobal
{
    private static readonly Dictionary<string, TensorType> Types = new()
    {
        ["float32"] = TensorType.Float32,
        ["float64"] = TensorType.Float64,
        ["float16"] = TensorType.Float16,
        ["bfloat16"] = TensorType.BFloat16,
        ["int64"] = TensorType.Int64,
        ["int32"] = TensorType.Int32,
        ["int16"] = TensorType.Int16,
        ["int8"] = TensorType.Int8,
        ["uint8"] = TensorType.UInt8,
        ["bool"] = TensorType.Bool,
        ["float8_e4m3fn"] = TensorType.Float8E4M3,
        ["float8_e5m2"] = TensorType.Float8E5M2,
    };

    private static readonly Dictionary<string, TensorType?> Storages = new()
    {
        ["FloatStorage"] = TensorType.Float32,
        ["DoubleStorage"] = TensorType.Float64,
        ["HalfStorage"] = TensorType.Float16,
        ["BFloat16Storage"] = TensorType.BFloat16,
        ["LongStorage"] = TensorType.Int64,
        ["IntStorage"] = TensorType.Int32,
        ["ShortStorage"] = TensorType.Int16,
        ["CharStorage"] = TensorType.Int8,
        ["ByteStorage"] = TensorType.UInt8,
        ["BoolStorage"] = TensorType.Bool,
        ["UntypedStorage"] = null,
    };

    private readonly Func<object?[], object?>? _apply;
    private readonly string _name;

    private TorchGlobal(string name, Func<object?[], object?>? apply) => (_name, _apply) = (name, apply);

    /// <summary>Of a class of storages, the type of elements, or null where it has none; null for all else.</summary>
    public StorageClass? StorageOf { get; private init; }

    /// <summary>Of a type of elements, that type.</summary>
    public TensorType? Element { get; private init; }

    /// <summary>The global of a name.</summary>
    /// <exception cref="FormatException">It is none that tensors need.</exception>
    public static TorchGlobal Find(string module, string name)
    {
        string full = $"{module}.{name}";
        return (module, name) switch
        {
            ("torch" or "torch.storage" or "torch.cuda", _) when Storages.TryGetValue(name, out TensorType? type) =>
                new TorchGlobal(full, null) { StorageOf = new StorageClass(type) },
            ("torch", _) when Types.TryGetValue(name, out TensorType type) =>
                new TorchGlobal(full, null) { Element = type },
            ("collections", "OrderedDict") => new TorchGlobal(full, MakeDict),
            ("torch", "Size") => new TorchGlobal(full, arguments => arguments is [object?[] sizes] ? sizes : arguments),
            ("torch._utils", "_rebuild_tensor" or "_rebuild_tensor_v2") => new TorchGlobal(full, MakeTensor),
            ("torch._utils", "_rebuild_tensor_v3") => new TorchGlobal(full, MakeTensor),
            ("torch._utils", "_rebuild_parameter" or "_rebuild_parameter_with_state") =>
                new TorchGlobal(full, arguments => arguments.FirstOrDefault()),
            _ => throw new FormatException(
                $"the pickle refers to {CheckpointException.Shorten(full)}, which is no tensor and no plain data; "
                + "nothing of it was run: have the model written again as safetensors by whoever trusts it"),
        };
    }

    /// <summary>What calling it stands for.</summary>
    /// <exception cref="FormatException">It is not called so.</exception>
    public object? Apply(object?[] arguments) => _apply is { } apply
        ? apply(arguments)
        : throw new FormatException($"the pickle calls {_name}, which is not called to make a tensor");

    private static Dictionary<object, object?> MakeDict(object?[] arguments)
    {
        Dictionary<object, object?> dict = [];
        foreach (object? item in arguments is [List<object?> items] ? items : [])
        {
            if (item is object?[] or List<object?> && item is IList<object?> and [{ } key, var value])
            {
                dict[key] = value;
            }
        }

        return dict;
    }

    // (storage, offset, shape, strides, requires_grad, hooks[, dtype]): an untyped storage's tensor names its type.
    private static TorchTensor MakeTensor(object?[] arguments)
    {
        if (arguments is not [TorchStorage storage, long offset and >= 0, object?[] shape, object?[] strides, ..]
            || shape.Length != strides.Length)
        {
            throw new FormatException("the pickle makes a tensor of what describes none");
        }

        TensorType type = arguments.OfType<TorchGlobal>().Select(global => global.Element).FirstOrDefault()
            ?? storage.Type
            ?? throw new FormatException("the pickle makes a tensor whose elements have no type");
        return new TorchTensor(storage, type, offset, Sizes(shape), Sizes(strides));
    }

    private static long[] Sizes(object?[] values) => [.. values.Select(value => value is long size and >= 0
        ? size
        : throw new FormatException("the pickle makes a tensor whose shape is not made of sizes"))];

    /// <summary>A class of storages.</summary>
    /// <param name="Type">The type of their elements, or null.</param>
    internal sealed record StorageClass(TensorType? Type);
}
