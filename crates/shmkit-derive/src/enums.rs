//! Enums without fields.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{DataEnum, DeriveInput, Error, Fields};

use crate::attributes::Attributes;
use crate::{check, local, located, plain};

const INTEGERS: [&str; 8] = ["u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64"];

/// The expression for the layout of an enum.
pub(crate) fn layout(
    input: &DeriveInput,
    data: &DataEnum,
    attributes: &Attributes,
) -> syn::Result<TokenStream> {
    let Attributes {
        krate,
        name,
        version,
        repr,
    } = attributes;
    Attributes::none_on(data.variants.iter().flat_map(|variant| &variant.attrs))?;
    for variant in &data.variants {
        if !matches!(variant.fields, Fields::Unit) {
            return Err(Error::new_spanned(
                &variant.fields,
                format!(
                    "variant `{}` has fields: a process killed while it writes could leave one \
                     variant's name with another one's fields; use a struct with an enum in it",
                    variant.ident
                ),
            ));
        }
    }
    let Some(integer) = &repr.integer else {
        return Err(Error::new(
            input.ident.span(),
            format!(
                "`{}` needs `#[repr(u8)]`: without it the compiler may store it in any way",
                input.ident
            ),
        ));
    };
    if !INTEGERS.iter().any(|name| integer == name) {
        return Err(Error::new(
            integer.span(),
            format!("`{integer}` is not of a fixed size; use `#[repr(u8)]`"),
        ));
    }

    let (integer_name, variants) = (integer.to_string().to_uppercase(), local("variants"));
    let scalar = format_ident!("{integer_name}");
    let mut descriptions = Vec::new();
    let mut checks = Vec::new();
    for (i, variant) in data.variants.iter().enumerate() {
        let (ident, variant_name) = (&variant.ident, plain(&variant.ident));
        descriptions.push(quote! {
            #krate::layout::Variant::new(#variant_name, Self::#ident as i64)
        });
        let check = check(krate, "variant", ident.span());
        checks.push(quote_spanned! {located(ident.span())=>
            #check(#name, #variants, #i, #krate::layout::Scalar::#scalar);
        });
    }
    let check = check(krate, "enumeration", input.ident.span());
    let end = quote_spanned! {located(input.ident.span())=>
        #check::<Self>(
            #name, #version, #krate::layout::Scalar::#scalar, #variants,
        )
    };
    Ok(quote! {{
        let #variants: &'static [#krate::layout::Variant] = &[#(#descriptions),*];
        #(#checks)*
        &#end
    }})
}
