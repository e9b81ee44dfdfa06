//! What properties files say about functions beyond what they say about all nodes: arguments, results, other forms.

use serde_json::Value as Json;

use crate::files::fields::{Fields, Single};
use crate::files::properties::Reader;
use crate::files::yaml::{Spanned, Yaml};

/// What is said about a function alone.
#[derive(Debug, Clone, Default)]
pub struct FunctionProperties {
    /// `arguments:` in order.
    pub arguments: Vec<ArgumentProperties>,
    /// `returns:`.
    pub returns: Option<ReturnsProperties>,
    /// `overloads:`.
    pub overloads: Vec<OverloadProperties>,
}

/// One item of `arguments:`.
#[derive(Debug, Clone)]
pub struct ArgumentProperties {
    /// Name.
    pub name: Spanned<String>,
    /// SQL type.
    pub data_type: Spanned<String>,
    /// Description as written.
    pub description: Option<Spanned<String>>,
    /// `default_value:`.
    pub default_value: Option<Json>,
}

/// `returns:`.
#[derive(Debug, Clone)]
pub struct ReturnsProperties {
    /// SQL type.
    pub data_type: Spanned<String>,
    /// Description as written.
    pub description: Option<Spanned<String>>,
}

/// One item of `overloads:`.
#[derive(Debug, Clone)]
pub struct OverloadProperties {
    /// `defined_in:`, the name of the file without its ending.
    pub defined_in: Spanned<String>,
    /// `arguments:` in order.
    pub arguments: Vec<ArgumentProperties>,
    /// `returns:`, if it gives something else than the function.
    pub returns: Option<ReturnsProperties>,
    /// Description as written.
    pub description: Option<Spanned<String>>,
}

impl Reader<'_> {
    /// What only functions have.
    pub fn function(&mut self, fields: &mut Fields<'_>) -> FunctionProperties {
        let arguments = self.arguments(fields);
        let returns = self.returns(fields);
        let mut overloads = Vec::new();
        for item in fields.list("overloads", Single::Refused, self.diagnostics) {
            overloads.extend(self.overload(item));
        }
        FunctionProperties { arguments, returns, overloads }
    }

    fn overload(&mut self, item: &Yaml) -> Option<OverloadProperties> {
        let mut fields = Fields::new("this overload", item, self.diagnostics)?;
        let defined_in = self.required("defined_in", item, &mut fields)?;
        fields.set_owner(format!("overload `{}`", defined_in.value));
        let arguments = self.arguments(&mut fields);
        let returns = self.returns(&mut fields);
        let description = fields.text("description", self.diagnostics);
        fields.finish(self.unknown, self.diagnostics);
        Some(OverloadProperties { defined_in, arguments, returns, description })
    }

    fn arguments(&mut self, fields: &mut Fields<'_>) -> Vec<ArgumentProperties> {
        let mut arguments = Vec::new();
        for item in fields.list("arguments", Single::Refused, self.diagnostics) {
            let Some((name, mut fields)) = self.named("argument", item) else { continue };
            let data_type = self.required("data_type", item, &mut fields);
            let description = fields.text("description", self.diagnostics);
            let default_value = fields.take("default_value").filter(|value| !value.is_null()).map(Yaml::to_json);
            fields.finish(self.unknown, self.diagnostics);
            let Some(data_type) = data_type else { continue };
            arguments.push(ArgumentProperties { name, data_type, description, default_value });
        }
        arguments
    }

    fn returns(&mut self, fields: &mut Fields<'_>) -> Option<ReturnsProperties> {
        let item = fields.take("returns")?;
        let mut fields = Fields::new("`returns`", item, self.diagnostics)?;
        let data_type = self.required("data_type", item, &mut fields);
        let description = fields.text("description", self.diagnostics);
        fields.finish(self.unknown, self.diagnostics);
        Some(ReturnsProperties { data_type: data_type?, description })
    }

    /// A text that must be there.
    pub fn required(&mut self, key: &'static str, item: &Yaml, fields: &mut Fields<'_>) -> Option<Spanned<String>> {
        let found = fields.text(key, self.diagnostics);
        if found.is_none() && item.get(key).is_none_or(Yaml::is_null) {
            self.diagnostics.push(fields.missing(key, &item.location));
        }
        found
    }
}
