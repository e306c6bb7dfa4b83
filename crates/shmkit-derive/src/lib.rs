//! `#[derive(ShmSafe)]`; shmkit re-exports it, and documents the trait.
//!
//! What can be told from the source is told here, in words: a missing `repr`, a `Vec`. What only
//! the compiler knows (sizes, offsets, `Drop`) is checked by constants in the generated code, which
//! call `shmkit::layout::check`.

mod advice;
mod attributes;
mod enums;
mod structs;

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::{Data, DeriveInput, Error, GenericParam, Generics, Ident, Path, parse_quote};

use attributes::Attributes;

/// Proves at compile time that a type may lie in shared memory, and describes its bytes.
///
/// For structs that are `repr(C)` (or `transparent`) and whose fields are all `ShmSafe`, and for
/// enums without fields that say how they are stored, as in `repr(u8)`. There must be no padding:
/// its bytes are undefined, and would carry whatever this process had there. The error says how many
/// bytes to add, and where.
///
/// ```
/// use shmkit::ShmSafe;
///
/// #[derive(ShmSafe, Clone, Copy)]
/// #[repr(u8)]
/// enum Mode {
///     Idle, // 0: shared memory starts as zeros
///     Running,
/// }
///
/// #[derive(ShmSafe)]
/// #[repr(C)]
/// struct Camera {
///     frames: u64,
///     exposure: f32,
///     mode: Mode,
///     _pad: [u8; 3],
/// }
///
/// assert_eq!(
///     Camera::LAYOUT.text(),
///     "struct Camera v1 16/8{frames@0:u64;exposure@8:f32;\
///      mode@12:enum Mode v1 u8{Idle=0;Running=1};_pad@13:[u8;3]}"
/// );
/// ```
///
/// # Attributes
///
/// `#[shmkit(version = 2)]` on the type says that it means something else than version 1 did,
/// though the bytes may look the same; segments of other versions are not opened.
/// `#[shmkit(name = "Camera")]` is for a type whose name in the source is another one than in other
/// programs, and `#[shmkit(crate = path::to::shmkit)]` for one that has shmkit under another path.
///
/// # Names
///
/// A field's type is what it is called in the source: `Vec` is taken for the `Vec` of the standard
/// library, which cannot lie in shared memory. If you have a type of your own with such a name,
/// write `self::Vec`.
#[proc_macro_derive(ShmSafe, attributes(shmkit))]
pub fn derive_shm_safe(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = syn::parse_macro_input!(input as DeriveInput);
    expand(&input)
        .unwrap_or_else(Error::into_compile_error)
        .into()
}

fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    let attributes = Attributes::of(input)?;
    if let Some(lifetime) = input.generics.lifetimes().next() {
        return Err(Error::new_spanned(
            lifetime,
            format!(
                "`{}` borrows from this process for `{}`; what lies in shared memory owns its data",
                input.ident, lifetime.lifetime
            ),
        ));
    }
    let krate = &attributes.krate;
    let (layout, writes_unchecked) = match &input.data {
        Data::Struct(data) => (
            structs::layout(input, data, &attributes)?,
            structs::writes_unchecked(data, krate),
        ),
        Data::Enum(data) => (enums::layout(input, data, &attributes)?, quote!(false)),
        Data::Union(data) => {
            return Err(Error::new_spanned(
                data.union_token,
                format!(
                    "`{}` is a union: other programs could not tell what is in it",
                    input.ident
                ),
            ));
        }
    };

    let name = &input.ident;
    let generics = with_bounds(&input.generics, krate);
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    // Without parameters the layout is checked where the type is, not where it is first used.
    let now = input.generics.params.is_empty().then(|| {
        quote! {
            const _: &#krate::layout::Layout = <#name as #krate::layout::ShmSafe>::LAYOUT;
        }
    });
    Ok(quote! {
        #[automatically_derived]
        // SAFETY: the code in `LAYOUT` does not compile unless it is so.
        unsafe impl #impl_generics #krate::layout::ShmSafe for #name #type_generics #where_clause {
            const LAYOUT: &'static #krate::layout::Layout = #layout;
            const WRITES_UNCHECKED: bool = #writes_unchecked;
        }
        #now
    })
}

/// Each type parameter is to be `ShmSafe`, as in the derives of the standard library.
fn with_bounds(generics: &Generics, krate: &Path) -> Generics {
    let mut generics = generics.clone();
    for parameter in &mut generics.params {
        if let GenericParam::Type(parameter) = parameter {
            parameter.bounds.push(parse_quote!(#krate::layout::ShmSafe));
        }
    }
    generics
}

/// The name of a field or variant as other programs know it.
fn plain(ident: &Ident) -> String {
    let name = ident.to_string();
    name.strip_prefix("r#").unwrap_or(&name).to_owned()
}

/// The path of one of the functions that check, so that the compiler points at `span` where it
/// fails: it looks at the call as a whole, and each token of it must say so.
fn check(krate: &Path, function: &str, span: Span) -> TokenStream {
    let function = format_ident!("{function}");
    quote!(#krate::layout::check::#function)
        .into_iter()
        .map(|mut token| {
            token.set_span(located(span));
            token
        })
        .collect()
}

/// Where the user's code is, for code that is not the user's: lints leave it alone.
fn located(span: Span) -> Span {
    Span::call_site().located_at(span)
}

/// A name for a variable in the generated code.
fn local(name: &str) -> Ident {
    format_ident!("__shmkit_{name}")
}
