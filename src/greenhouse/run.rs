//! The two verbs, from checked options to a published batch.

use std::path::Path;
use std::thread;

use crate::batch::{Batch, FileDefects};
use crate::dirt::Spoiler;
use crate::disk;
use crate::encode::Format;
use crate::failure::Failure;
use crate::first_load;
use crate::ids::IdForm;
use crate::journey::{self, Wishes};
use crate::manifest::{self, Drift, Manifest};
use crate::options::{Case, CommandLine, Common, Init, Journey, Verb};
use crate::output::{Layout, Target, publish};
use crate::printer;
use crate::profile::{Layers, MESSY, Profile};
use crate::shop::{Settings, Shop};
use crate::tables::{Form, TABLES};
use crate::time::instant_text;

/// Does what the command line asks for.
pub fn run(command_line: &CommandLine) -> Result<(), Failure> {
    match &command_line.verb {
        Verb::Init(init) => first(init),
        Verb::Journey(journey) => further(journey),
    }
}

fn first(options: &Init) -> Result<(), Failure> {
    options.check()?;
    options.common.check_files(options.format)?;
    let mut layers = Layers::new()?;
    add_profile(&mut layers, &options.common)?;
    if let Some(skew) = options.skew {
        layers.set("--skew", "products.skew", &skew.to_string())?;
    }
    let profile = layers.finish()?;
    if options.common.print_profile {
        printer::data(&profile_text(&profile));
        return Ok(());
    }
    let started = disk::stopwatch();
    let (start, end, loaded) = options.range()?;
    let landing = &options.common.landing;
    publish(landing)?;
    refuse_foreign(landing)?;
    let settings = Settings {
        seed: options.seed,
        scale: options.scale,
        start,
        end,
        time_zone: options.tz.clone(),
        ids: options.ids,
        products: options.products,
        promos: options.promos,
        profile,
    };
    let form = Form {
        raw: options.raw || options.format == Format::Csv,
        lower: options.names == Case::Lower,
        numeric_ids: options.ids == IdForm::Int64,
    };
    let layout = Layout {
        format: options.format,
        form,
        partition_by_date: options.partition_by_date,
        file_bytes: options.file_size << 20,
    };
    let spoiler = Spoiler::new(&settings.profile.dirt, options.common.allow_negative, 1);
    let shop = Shop::new(settings, loaded)?;
    let target = Target { landing: landing.clone(), batch: 1, layout };
    let batch = Batch::new(&shop, target, loaded, spoiler, drift(&options.common))?;
    let threads = options.threads.map(usize::from).or_else(|| thread::available_parallelism().ok().map(usize::from));
    let written = first_load::write(&batch, threads.unwrap_or(1), &file_defects(&options.common));
    let manifest = written.inspect_err(|_| give_up(&batch.target))?;
    publish(landing)?;
    report(&options.common, &manifest, started.elapsed().as_secs_f64());
    Ok(())
}

fn further(options: &Journey) -> Result<(), Failure> {
    let started = disk::stopwatch();
    let landing = &options.common.landing;
    publish(landing)?;
    let history = manifest::read(landing)?;
    let layout = history.last.layout;
    options.common.check_files(layout.format)?;
    let profile = if options.common.profile.is_some() || !options.common.set.is_empty() || has_rates(&options.common) {
        let mut layers = Layers::new()?;
        if options.common.profile.is_none() {
            layers.add("the profile of the first load", &profile_text(&history.first.settings.profile))?;
        }
        add_profile(&mut layers, &options.common)?;
        layers.finish()?
    } else {
        history.first.settings.profile.clone()
    };
    if options.common.print_profile {
        printer::data(&profile_text(&profile));
        return Ok(());
    }
    let last = history.last.loaded;
    let loaded = match options.common.now {
        Some(now) if now <= last => {
            return Err(Failure::Usage(format!(
                "--now is {}; expected a time after {}, the load time of batch {}",
                instant_text::text(now),
                instant_text::text(last),
                history.last.batch
            )));
        }
        Some(now) => now,
        // A first load may be dated after the present.
        None => disk::now().max(last + 1),
    };
    let batch_drift = drift(&options.common).or(history.last.drift);
    if batch_drift.is_some() && layout.format == Format::Delta {
        return Err(Failure::Usage("--drift cannot be had with Delta tables: such a table has one schema".to_owned()));
    }
    let habits = profile.journey.clone();
    let spoiler = Spoiler::new(&profile.dirt, options.common.allow_negative, history.next);
    let shop = Shop::new(history.first.settings.clone(), loaded)?;
    let target = Target { landing: landing.clone(), batch: history.next, layout };
    let batch = Batch::new(&shop, target, loaded, spoiler, batch_drift)?;
    let wishes = Wishes {
        count: options.count,
        returning: options.returning,
        abandon: options.abandon,
        update_users: options.update_users,
        update_addresses: options.update_addresses,
        advance_orders: options.advance_orders,
        delete_users: options.delete_users,
    };
    let written = journey::write(&batch, &history.state, &habits, &wishes, &file_defects(&options.common));
    let (manifest, warnings) = written.inspect_err(|_| give_up(&batch.target))?;
    publish(landing)?;
    for warning in &warnings {
        printer::warning(warning);
    }
    report(&options.common, &manifest, started.elapsed().as_secs_f64());
    Ok(())
}

/// Removes what a failed run wrote aside. That this may fail as well changes nothing: the next run does it again.
fn give_up(target: &Target) {
    disk::remove_folder(&target.staging()).ok();
}

/// Takes the profile's options in.
fn add_profile(layers: &mut Layers, common: &Common) -> Result<(), Failure> {
    match common.profile.as_deref() {
        None | Some("clean") => {}
        Some("messy") => layers.add("messy.yml", MESSY)?,
        Some(file) => {
            let text = disk::read(Path::new(file))?.ok_or_else(|| {
                Failure::Usage(format!("there is no profile `{file}`; expected `clean`, `messy` or a YAML file"))
            })?;
            layers.add(file, &text)?;
        }
    }
    for assignment in &common.set {
        layers.assign(assignment)?;
    }
    if let Some(late) = common.late {
        layers.set("--late", "dirt.late", &late.to_string())?;
    }
    if let Some(duplicates) = common.duplicates {
        layers.set("--duplicates", "dirt.duplicate", &duplicates.to_string())?;
    }
    Ok(())
}

fn has_rates(common: &Common) -> bool {
    common.late.is_some() || common.duplicates.is_some()
}

fn profile_text(profile: &Profile) -> String {
    serde_saphyr::to_string(profile).unwrap_or_default()
}

fn drift(common: &Common) -> Option<Drift> {
    common.drift.map(|from| Drift { from, table: common.drift_table })
}

fn file_defects(common: &Common) -> FileDefects {
    FileDefects { torn: common.torn.clone(), empty: common.empty.clone(), header_only: common.header_only.clone() }
}

/// A first load goes only where nothing is yet.
fn refuse_foreign(landing: &Path) -> Result<(), Failure> {
    for name in TABLES.map(crate::tables::Table::name).into_iter().chain([crate::output::OWN_FOLDER]) {
        let found = disk::files_below(&landing.join(name))?;
        if let Some(file) = found.first() {
            return Err(Failure::Usage(format!(
                "`{}` is not empty: found `{name}/{}`; expected an empty folder for a first load, or `greenhouse \
                 journey` for a further batch",
                landing.display(),
                file.display()
            )));
        }
    }
    Ok(())
}

fn report(common: &Common, manifest: &Manifest, seconds: f64) {
    printer::summary(manifest, &common.landing.display().to_string(), seconds);
    if common.json {
        printer::data(&manifest.text());
    }
}
