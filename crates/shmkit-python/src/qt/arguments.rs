//! Arguments as PyQt takes them: overloads are tried in turn, only what may be left out has a keyword,
//! and what fits none of them is told with the reason for each.

use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyString, PyTuple};
use shmkit::Access;
use shmkit::qt::{self, AccessMode, TypeNumber};

use super::key::QNativeIpcKey;
use super::numbers::{self, Class};

/// What a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A string, or `None` for an empty one.
    Text,
    Int,
    Key,
    Enum(Class),
    /// A QObject of any binding, or `None`.
    Parent,
}

#[derive(Debug)]
pub(super) struct Parameter {
    name: &'static str,
    kind: Kind,
    is_optional: bool,
}

pub(super) const fn required(name: &'static str, kind: Kind) -> Parameter {
    let is_optional = false;
    Parameter {
        name,
        kind,
        is_optional,
    }
}

pub(super) const fn optional(name: &'static str, kind: Kind) -> Parameter {
    let is_optional = true;
    Parameter {
        name,
        kind,
        is_optional,
    }
}

/// One way to call something.
#[derive(Debug)]
pub(super) struct Overload {
    /// How the documentation shows it.
    pub(super) text: &'static str,
    pub(super) parameters: &'static [Parameter],
}

/// What is called.
#[derive(Debug)]
pub(super) struct Callable {
    pub(super) name: &'static str,
    /// In constructors PyQt sees to superfluous keywords last.
    pub(super) is_constructor: bool,
    pub(super) overloads: &'static [Overload],
}

/// The arguments of a call, checked.
#[derive(Debug)]
pub(super) struct Arguments<'py> {
    /// Which overload it is.
    pub(super) overload: usize,
    values: Vec<Option<Bound<'py, PyAny>>>,
}

type Keywords<'a, 'py> = Option<&'a Bound<'py, PyDict>>;

impl Callable {
    pub(super) fn parse<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        keywords: Keywords<'_, 'py>,
    ) -> PyResult<Arguments<'py>> {
        let keywords = keywords.filter(|keywords| !keywords.is_empty());
        if let ([only], Some(_), false) = (self.overloads, keywords, self.is_constructor)
            && only
                .parameters
                .iter()
                .all(|parameter| !parameter.is_optional)
        {
            let text = format!("{}() takes no keyword arguments", self.name);
            return Err(PyTypeError::new_err(text));
        }
        let mut reasons = Vec::new();
        for (overload, way) in self.overloads.iter().enumerate() {
            match way.parse(args, keywords, self.is_constructor)? {
                Ok(values) => return Ok(Arguments { overload, values }),
                Err(reason) => reasons.push(format!("{}: {reason}", way.text)),
            }
        }
        let text = match &*reasons {
            [only] => only.clone(),
            several => {
                let several = several.join("\n  ");
                format!("arguments did not match any overloaded call:\n  {several}")
            }
        };
        Err(PyTypeError::new_err(text))
    }
}

impl Overload {
    /// The values, or why this is not the way that is meant.
    fn parse<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        keywords: Keywords<'_, 'py>,
        is_constructor: bool,
    ) -> PyResult<Result<Vec<Option<Bound<'py, PyAny>>>, String>> {
        let mut values = Vec::new();
        let mut used = 0;
        for (index, parameter) in self.parameters.iter().enumerate() {
            let mut label = format!("argument {}", index + 1);
            let mut value = args.get_item(index).ok();
            if value.is_none()
                && parameter.is_optional
                && let Some(keywords) = keywords
            {
                label = format!("argument '{}'", parameter.name);
                value = keywords.get_item(parameter.name)?;
                used += usize::from(value.is_some());
            }
            match &value {
                Some(value) if !parameter.kind.takes(value)? => {
                    let class = value.get_type().name()?;
                    return Ok(Err(format!("{label} has unexpected type '{class}'")));
                }
                None if !parameter.is_optional => {
                    let first = keywords.filter(|_| !is_constructor);
                    let first = first.and_then(|keywords| keywords.keys().get_item(0).ok());
                    return Ok(Err(match first {
                        Some(first) => format!("'{first}' is not a valid keyword argument"),
                        None => "not enough arguments".to_owned(),
                    }));
                }
                _ => values.push(value),
            }
        }
        if args.len() > self.parameters.len() {
            return Ok(Err("too many arguments".to_owned()));
        }
        let Some(keywords) = keywords.filter(|keywords| keywords.len() > used) else {
            return Ok(Ok(values));
        };
        let stray = self.stray_keyword(args.len(), keywords)?;
        let place = |parameter: &Parameter| stray == parameter.name;
        match is_constructor {
            true => Err(PyTypeError::new_err(format!(
                "'{stray}' is an unknown keyword argument"
            ))),
            false if self.parameters.iter().take(args.len()).any(place) => Ok(Err(format!(
                "'{stray}' has already been given as a positional argument"
            ))),
            false => Ok(Err(format!("'{stray}' is not a valid keyword argument"))),
        }
    }

    /// The first keyword that no parameter after the positional ones takes.
    fn stray_keyword(&self, positional: usize, keywords: &Bound<'_, PyDict>) -> PyResult<String> {
        for name in keywords.keys() {
            let name: String = name.extract()?;
            let mut left = self.parameters.iter().skip(positional);
            if !left.any(|parameter| parameter.is_optional && parameter.name == name) {
                return Ok(name);
            }
        }
        Ok(String::new())
    }
}

impl Kind {
    fn takes(self, value: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(match self {
            Self::Text => value.is_none() || value.is_instance_of::<PyString>(),
            Self::Int => value.is_instance_of::<PyInt>() || value.hasattr("__index__")?,
            Self::Key => value.is_instance_of::<QNativeIpcKey>(),
            Self::Enum(class) => value.is_instance(class.of(value.py())?)?,
            Self::Parent => value.is_none() || is_qobject(value)?,
        })
    }
}

/// Whether it is a QObject of PyQt's, of PySide's, or one of ours. Qt is not asked: it need not be
/// there.
fn is_qobject(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    for class in value.get_type().mro() {
        let name = class.cast::<pyo3::types::PyType>()?.name()?;
        if name == "QObject" || name == "QSharedMemory" {
            return Ok(true);
        }
    }
    Ok(false)
}

impl<'py> Arguments<'py> {
    /// The argument, if it was given.
    pub(super) fn get(&self, index: usize) -> Option<&Bound<'py, PyAny>> {
        self.values.get(index)?.as_ref()
    }

    /// A text as PyQt hands it to Qt, which drops a byte order mark.
    pub(super) fn text(&self, index: usize) -> PyResult<String> {
        let Some(text) = self.get(index).filter(|value| !value.is_none()) else {
            return Ok(String::new());
        };
        let text: String = text.extract()?;
        Ok(text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned())
    }

    pub(super) fn key(&self, index: usize) -> PyResult<Option<qt::QNativeIpcKey>> {
        let key = self.get(index).map(|key| key.cast::<QNativeIpcKey>());
        Ok(key.transpose()?.map(|key| key.get().key()))
    }

    pub(super) fn key_type(&self, index: usize) -> PyResult<Option<TypeNumber>> {
        self.get(index).map(numbers::key_type).transpose()
    }

    pub(super) fn access(&self, index: usize) -> PyResult<Access> {
        self.get(index)
            .map_or(Ok(Access::ReadWrite), numbers::access)
    }

    pub(super) fn semaphore_mode(&self, index: usize) -> PyResult<AccessMode> {
        self.get(index)
            .map_or(Ok(AccessMode::Open), numbers::semaphore_mode)
    }

    pub(super) fn int(&self, index: usize, default: i32) -> PyResult<i32> {
        let Some(value) = self.get(index) else {
            return Ok(default);
        };
        value
            .extract()
            .map_err(|_: PyErr| overflow(index, i32::MIN.into(), i32::MAX.into()))
    }

    pub(super) fn long(&self, index: usize) -> PyResult<i64> {
        let value = self.get(index).map_or(Ok(0), |value| value.extract());
        value.map_err(|_: PyErr| overflow(index, i64::MIN, i64::MAX))
    }
}

fn overflow(index: usize, least: i64, most: i64) -> PyErr {
    PyOverflowError::new_err(format!(
        "argument {} overflowed: value must be in the range {least} to {most}",
        index + 1
    ))
}
