//! `karat man`: the manual page, generated from the command line's definition.

use crate::cli::Outcome;
use crate::cli::args;
use crate::cli::printer::Printer;

/// The manual page: karat's own part and one section per verb.
pub fn page() -> std::io::Result<String> {
    let mut text = Vec::new();
    let command = args::command();
    clap_mangen::Man::new(command.clone()).render(&mut text)?;
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help") {
        let name = format!("karat {}", verb.get_name());
        let page = clap_mangen::Man::new(verb.clone().name(name.clone()).display_name(name.clone()));
        text.extend_from_slice(format!(".SH \"{}\"\n", name.to_uppercase()).as_bytes());
        page.render_description_section(&mut text)?;
        page.render_synopsis_section(&mut text)?;
        page.render_options_section(&mut text)?;
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Prints the page.
pub fn run(printer: &Printer) -> Outcome {
    match page() {
        Ok(text) => {
            printer.result(&text);
            Outcome::Success
        }
        Err(error) => {
            printer.message(&format!("cannot write the manual page: {error}"));
            Outcome::World
        }
    }
}
