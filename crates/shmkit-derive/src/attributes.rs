//! What `#[repr]` and `#[shmkit]` say.

use proc_macro2::Span;
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned as _;
use syn::{
    Attribute, DeriveInput, Error, Ident, LitInt, LitStr, Path, Token, parenthesized, parse_quote,
};

/// What the attributes of a type say.
pub(crate) struct Attributes {
    /// How shmkit is called here.
    pub(crate) krate: Path,
    /// The type's name in its layout.
    pub(crate) name: String,
    pub(crate) version: u32,
    pub(crate) repr: Repr,
}

/// What `#[repr]` says.
#[derive(Default)]
pub(crate) struct Repr {
    pub(crate) c: bool,
    pub(crate) transparent: bool,
    pub(crate) packed: Option<Span>,
    pub(crate) align: Option<u32>,
    /// `u8` and the like.
    pub(crate) integer: Option<Ident>,
}

impl Attributes {
    pub(crate) fn of(input: &DeriveInput) -> syn::Result<Self> {
        let mut attributes = Self {
            krate: parse_quote!(::shmkit),
            name: crate::plain(&input.ident),
            version: 1,
            repr: Repr::default(),
        };
        for attribute in &input.attrs {
            if attribute.path().is_ident("repr") {
                attribute.parse_nested_meta(|meta| attributes.repr.take(&meta))?;
            } else if attribute.path().is_ident("shmkit") {
                attribute.parse_nested_meta(|meta| attributes.take(&meta))?;
            }
        }
        Ok(attributes)
    }

    /// Refuses attributes of ours on a field or a variant, where they would do nothing.
    pub(crate) fn none_on<'a>(
        attributes: impl IntoIterator<Item = &'a Attribute>,
    ) -> syn::Result<()> {
        let mut attributes = attributes.into_iter();
        match attributes.find(|attribute| attribute.path().is_ident("shmkit")) {
            Some(attribute) => Err(Error::new_spanned(
                attribute,
                "`#[shmkit]` belongs to the type, not to a part of it",
            )),
            None => Ok(()),
        }
    }

    fn take(&mut self, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
        if meta.path.is_ident("version") {
            let version: LitInt = meta.value()?.parse()?;
            let number = version.base10_parse();
            self.version = number.map_err(|_| {
                Error::new(version.span(), "a version is a number from 0 to 4294967295")
            })?;
        } else if meta.path.is_ident("name") {
            let name: LitStr = meta.value()?.parse()?;
            self.name = name.value();
            let starts = |c: char| c.is_ascii_alphabetic() || c == '_';
            let goes_on = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if !self.name.starts_with(starts) || !self.name.chars().all(goes_on) {
                let text = "a name is made of ASCII letters, digits and `_`, with no digit first";
                return Err(Error::new(name.span(), text));
            }
        } else if meta.path.is_ident("crate") {
            self.krate = meta.value()?.parse()?;
        } else {
            return Err(meta.error("only `version`, `name` and `crate` may stand here"));
        }
        Ok(())
    }
}

impl Repr {
    fn take(&mut self, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
        if meta.path.is_ident("C") {
            self.c = true;
        } else if meta.path.is_ident("transparent") {
            self.transparent = true;
        } else if meta.path.is_ident("packed") {
            self.packed = Some(meta.path.span());
            if meta.input.peek(syn::token::Paren) {
                let bytes;
                parenthesized!(bytes in meta.input);
                bytes.parse::<LitInt>()?;
            }
        } else if meta.path.is_ident("align") {
            let bytes;
            parenthesized!(bytes in meta.input);
            let bytes: u32 = bytes.parse::<LitInt>()?.base10_parse()?;
            self.align = self.align.max(Some(bytes));
        } else if let Some(integer) = meta.path.get_ident() {
            self.integer = Some(integer.clone());
        }
        // Whatever else there is, the compiler judges it; but it may have arguments.
        if meta.input.peek(Token![=]) {
            return Err(meta.error("not a `repr`"));
        }
        Ok(())
    }
}
