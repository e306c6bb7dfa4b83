//! Types of the standard library that cannot lie in shared memory: why, and what to use instead.
//!
//! The trait bound refuses them as well. This is for words that help.

use proc_macro2::Span;
use quote::ToTokens as _;
use syn::spanned::Spanned as _;
use syn::{GenericArgument, Path, PathArguments, Type};

const POINTER: &str = "holds a pointer, which means nothing in another process";

/// Where in a type something is wrong, and what, if its name says so.
pub(crate) fn about(ty: &Type) -> Option<(Span, String)> {
    let why = match ty {
        Type::Array(array) => return about(&array.elem),
        Type::Group(group) => return about(&group.elem),
        Type::Paren(paren) => return about(&paren.elem),
        Type::Path(path) if path.qself.is_none() => return about_path(&path.path),
        Type::Reference(reference) => {
            let instead = match &*reference.elem {
                Type::Path(path) if path.path.is_ident("str") => "use `ArrayString<N>`",
                Type::Slice(_) => "use `[T; N]` or `ArrayVec<T, N>`",
                _ => "hold the value itself, or an index",
            };
            format!("is a pointer, which means nothing in another process; {instead}")
        }
        Type::Ptr(_) => {
            "is a pointer, which means nothing in another process; hold an offset".to_owned()
        }
        Type::FnPtr(_) => {
            "is a pointer to code, which lies elsewhere in another process; use an enum".to_owned()
        }
        Type::TraitObject(_) | Type::ImplTrait(_) => format!("{POINTER}; use a struct or an enum"),
        Type::Slice(_) => "has no fixed size; use `[T; N]` or `ArrayVec<T, N>`".to_owned(),
        Type::Tuple(tuple) if !tuple.elems.is_empty() => {
            "has its fields in an order that the compiler chooses; use a struct with `#[repr(C)]`"
                .to_owned()
        }
        _ => return None,
    };
    let source = ty.to_token_stream();
    Some((ty.span(), format!("`{}` {why}", shown(&source.to_string()))))
}

fn about_path(path: &Path) -> Option<(Span, String)> {
    let last = path.segments.last()?;
    let (first, name) = (path.segments.first()?, last.ident.to_string());
    let from_std = ["std", "core", "alloc"]
        .iter()
        .any(|std| first.ident == std);
    if (from_std || path.segments.len() == 1)
        && let Some(why) = of_std(&name).or_else(|| of_std_only(&name).filter(|_| from_std))
    {
        return Some((last.ident.span(), format!("`{name}` {why}")));
    }
    // What shmkit's own types hold is as much in shared memory as they are.
    let ours = ["ArrayVec", "RingBuffer", "Mutex", "RwLock", "OnceCell"];
    match &last.arguments {
        PathArguments::AngleBracketed(arguments) if ours.iter().any(|ours| name == *ours) => {
            arguments.args.iter().find_map(|argument| match argument {
                GenericArgument::Type(ty) => about(ty),
                _ => None,
            })
        }
        _ => None,
    }
}

/// What is wrong with a type of the standard library that is known by its name alone.
fn of_std(name: &str) -> Option<String> {
    let text = match name {
        "String" | "OsString" | "CString" | "PathBuf" => {
            format!("{POINTER}; use `ArrayString<N>`")
        }
        "Vec" => format!("{POINTER}; use `ArrayVec<T, N>`"),
        "VecDeque" => format!("{POINTER}; use `RingBuffer<T, N>`"),
        "HashMap" | "HashSet" | "BTreeMap" | "BTreeSet" | "BinaryHeap" | "LinkedList" => {
            format!("{POINTER}; use an array or `ArrayVec<T, N>`")
        }
        "Box" | "Rc" | "Arc" | "NonNull" | "Cow" => format!("{POINTER}; hold the value itself"),
        "AtomicPtr" => "is a pointer, which means nothing in another process; hold an offset in \
                        an `AtomicU64`"
            .to_owned(),
        "usize" | "isize" | "AtomicUsize" | "AtomicIsize" => format!(
            "has 4 bytes in a 32-bit process and 8 in a 64-bit one; use `{}`",
            name.replace("size", "64")
        ),
        "u128" | "i128" => format!(
            "is aligned in another way by other compilers; use `[{}64; 2]`",
            &name[..1]
        ),
        "char" => "has bytes that are no character, and a process killed while it writes could \
                   leave such; use `u32`"
            .to_owned(),
        "Option" | "Result" => "is laid out as the compiler likes; use a `bool` or an enum with \
                                `#[repr(u8)]` beside the value"
            .to_owned(),
        "RefCell" | "UnsafeCell" => {
            "changes without other processes knowing; use an atomic or a lock of shmkit".to_owned()
        }
        "MaybeUninit" => "may hold nothing, and other processes cannot tell; use a value of \
                          zeros, or `ArrayVec<T, N>`"
            .to_owned(),
        name if name.starts_with("NonZero") => "must not be 0, which a process killed while it \
                                                writes could leave; use the integer"
            .to_owned(),
        _ => return None,
    };
    Some(text)
}

/// What is wrong with a type whose name others have as well: users, other libraries, and ours.
fn of_std_only(name: &str) -> Option<String> {
    let text = match name {
        "Mutex" | "RwLock" | "Condvar" | "Barrier" | "Once" | "OnceLock" => {
            "of the standard library works within one process only; use that of shmkit"
        }
        "Cell" | "OnceCell" | "LazyCell" | "LazyLock" => {
            "changes without other processes knowing; use an atomic or a lock of shmkit"
        }
        "Instant" | "SystemTime" | "Duration" => {
            "is laid out as the standard library likes; use a `u64` of nanoseconds"
        }
        "Weak" => "holds a pointer, which means nothing in another process; hold an index",
        _ => return None,
    };
    Some(text.to_owned())
}

/// Source as people write it: tokens come apart by spaces.
fn shown(tokens: &str) -> String {
    tokens
        .replace("& ", "&")
        .replace("* ", "*")
        .replace("[ ", "[")
        .replace(" ]", "]")
        .replace(" ,", ",")
        .replace(" ;", ";")
}
