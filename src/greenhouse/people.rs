//! Users and addresses. Who they are in words follows from their number and version; only what connects them to other
//! things and to time is kept.

use serde::{Deserialize, Serialize};

use crate::columns::Rows;
use crate::ids::Entity;
use crate::numbers::{real, rounded};
use crate::random::{Purpose, Stream};
use crate::shop::Shop;
use crate::time::{DAY, instant_text};
use crate::words;

/// A user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Number, which gives the key.
    pub number: u64,
    /// How often the user was changed; decides telephone and address of mail.
    pub version: u64,
    /// Number of the address.
    pub address: u64,
    /// When the account was made.
    #[serde(with = "instant_text")]
    pub created: i64,
    /// When the user was last changed.
    #[serde(with = "instant_text")]
    pub updated: i64,
    /// Whether the user was deleted.
    pub is_deleted: bool,
}

/// An address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Number, which gives the key.
    pub number: u64,
    /// How often the address was changed; decides street and town.
    pub version: u64,
}

/// The number of the user who has so many sessions.
pub const HUB: u64 = 0;

/// Days before the shop's opening since which there are accounts.
const EARLY_DAYS: i64 = 90;

/// Share of the shop's time in which accounts are made; after it, there are only sessions.
const GROWTH: f64 = 0.85;

/// A user of the first load, and how many sessions the user has.
pub fn first_user(shop: &Shop, number: u64) -> (User, u64) {
    let settings = &shop.settings;
    let profile = &settings.profile.users;
    let mut stream = shop.seeds.stream(Purpose::User, number);
    let first = settings.start - EARLY_DAYS * DAY;
    let growth = rounded(real(settings.end - settings.start) * GROWTH);
    let created = stream.between(first, settings.start + growth);
    let updated = created + update_delay(profile.update_days_max, profile.update_days_median, &mut stream);
    let is_inactive = stream.chance(profile.inactive);
    let sessions = shop.sessions(&mut stream);
    let sessions = match number {
        HUB if shop.hub_sessions > 0 => shop.hub_sessions,
        _ if is_inactive => 0,
        _ => sessions,
    };
    let user = User {
        number,
        version: 0,
        address: shop.household(number),
        created,
        updated: updated.min(settings.end + crate::shop::SETTLING_DAYS * DAY),
        is_deleted: false,
    };
    (user, sessions)
}

/// Seconds of whole days, at most `most`, half of them at most `median`.
fn update_delay(most: f64, median: f64, stream: &mut Stream) -> i64 {
    if most <= 0.0 {
        return 0;
    }
    // An even number to the power of this has the wanted median.
    let exponent = (median / most).ln() / 0.5_f64.ln();
    let days = most * stream.unit().powf(exponent);
    rounded(days * real(DAY))
}

/// Adds a version of a user, loaded at an instant.
pub fn push_user(rows: &mut Rows, shop: &Shop, user: &User, synced: i64) {
    let mut name = shop.seeds.stream(Purpose::Person, user.number);
    let first = *name.pick(&words::FIRST_NAMES);
    let last = *name.pick(&words::LAST_NAMES);
    // What changes has a stream for each version; the versions of numbers never meet, because changes are few.
    let mut contact = shop.seeds.stream(Purpose::Person, user.number ^ (user.version + 1) << 58);
    let phone = format!("555-{:04}-{:04}", contact.between(100, 199), contact.below(10_000));
    let email = format!(
        "{}.{}{}@{}",
        first.to_lowercase(),
        last.to_lowercase(),
        contact.below(10_000),
        contact.pick(&words::DOMAINS)
    );
    rows.tally.time(user.created);
    rows.row(user.number)
        .id(&shop.keys.id(Entity::User, user.number))
        .instant(user.updated, Some(&shop.zone))
        .id(&shop.keys.id(Entity::Address, user.address))
        .text(last)
        .instant(user.created, Some(&shop.zone))
        .text(&phone)
        .null()
        .text(first)
        .text(&email)
        .flag(user.is_deleted)
        .instant(synced, None);
}

/// Adds a version of an address, loaded at an instant.
pub fn push_address(rows: &mut Rows, shop: &Shop, address: &Address, synced: i64) {
    let mut stream = shop.seeds.stream(Purpose::Street, address.number ^ address.version << 58);
    let (state, first_digits) = *stream.pick(&words::STATES);
    let zipcode = format!("{first_digits}{:03}", stream.below(1000));
    let street =
        format!("{} {} {}", stream.between(1, 9999), stream.pick(&words::STREETS), stream.pick(&words::STREET_KINDS));
    rows.tally.time(synced);
    rows.row(address.number)
        .id(&shop.keys.id(Entity::Address, address.number))
        .text(&zipcode)
        .text("United States")
        .text(&street)
        .text(state)
        .null()
        .instant(synced, None);
}
