//! Structs: fields that are `ShmSafe`, and nothing between them.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{DataStruct, DeriveInput, Error, Member, Path, Type};

use crate::attributes::Attributes;
use crate::{advice, check, local, located, plain};

/// The expression for the layout of a struct.
pub(crate) fn layout(
    input: &DeriveInput,
    data: &DataStruct,
    attributes: &Attributes,
) -> syn::Result<TokenStream> {
    let Attributes {
        krate,
        name,
        version,
        repr,
    } = attributes;
    if let Some(packed) = repr.packed {
        return Err(Error::new(
            packed,
            format!(
                "`{}` is packed: its fields are not aligned, so nobody may borrow them; \
                 order the fields so that there is no padding instead",
                input.ident
            ),
        ));
    }
    if !repr.c && !repr.transparent {
        return Err(Error::new(
            input.ident.span(),
            format!(
                "`{}` needs `#[repr(C)]`: without it the compiler puts the fields in an order \
                 of its own, and another program's compiler in another",
                input.ident
            ),
        ));
    }
    Attributes::none_on(data.fields.iter().flat_map(|field| &field.attrs))?;
    advise(data)?;

    let (fields, at) = (local("fields"), local("at"));
    let mut descriptions = Vec::new();
    let mut checks = Vec::new();
    for (i, (field, member)) in data.fields.iter().zip(data.fields.members()).enumerate() {
        let field_name = match &member {
            Member::Named(ident) => plain(ident),
            Member::Unnamed(index) => index.index.to_string(),
        };
        let field_layout = layout_of(&field.ty, krate);
        descriptions.push(quote! {
            #krate::layout::Field::new(
                #field_name,
                ::core::mem::offset_of!(Self, #member),
                #field_layout,
            )
        });
        let check = check(krate, "field", member.span());
        checks.push(quote_spanned! {located(member.span())=>
            let #at = #check(#name, #fields, #i, #at);
        });
    }

    let min_align = repr.align.unwrap_or(1);
    let check = check(krate, "structure", input.ident.span());
    let end = quote_spanned! {located(input.ident.span())=>
        #check::<Self>(#name, #version, #min_align, #fields, #at)
    };
    Ok(quote! {{
        let #fields: &'static [#krate::layout::Field] = &[#(#descriptions),*];
        let #at = 0;
        #(#checks)*
        &#end
    }})
}

/// The expression for whether one of the fields is written to without a check.
pub(crate) fn writes_unchecked(data: &DataStruct, krate: &Path) -> TokenStream {
    let fields = data.fields.iter().map(|field| {
        let element = element_of(&field.ty);
        quote_spanned!(element.span()=> <#element as #krate::layout::ShmSafe>::WRITES_UNCHECKED)
    });
    quote!(false #(|| #fields)*)
}

/// What an array is made of in the end; anything else is made of itself.
fn element_of(ty: &Type) -> &Type {
    match ty {
        Type::Array(array) => element_of(&array.elem),
        Type::Group(group) => element_of(&group.elem),
        Type::Paren(paren) => element_of(&paren.elem),
        _ => ty,
    }
}

/// The expression for the layout of a field. Arrays are taken apart, so that an error is about the
/// element's type.
fn layout_of(ty: &Type, krate: &Path) -> TokenStream {
    match ty {
        Type::Array(array) => {
            let (element, len) = (layout_of(&array.elem, krate), &array.len);
            quote!(&#krate::layout::Layout::array(#element, (#len) as u64))
        }
        Type::Group(group) => layout_of(&group.elem, krate),
        Type::Paren(paren) => layout_of(&paren.elem, krate),
        _ => quote_spanned!(ty.span()=> <#ty as #krate::layout::ShmSafe>::LAYOUT),
    }
}

/// Says of each field that cannot be `ShmSafe` why, and what to use instead.
fn advise(data: &DataStruct) -> syn::Result<()> {
    let mut all: Option<Error> = None;
    for (field, member) in data.fields.iter().zip(data.fields.members()) {
        let member = match &member {
            Member::Named(ident) => ident.to_string(),
            Member::Unnamed(index) => index.index.to_string(),
        };
        if let Some((span, text)) = advice::about(&field.ty) {
            let error = Error::new(span, format!("field `{member}`: {text}"));
            match &mut all {
                Some(all) => all.combine(error),
                None => all = Some(error),
            }
        }
    }
    all.map_or(Ok(()), Err)
}
