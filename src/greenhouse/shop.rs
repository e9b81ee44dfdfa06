//! The shop that a seed and some settings make: what it sells, how many users it has, how their choices are spread.
//!
//! Everything here is computed once and then only read, by all threads. The lists are those of products and promotions;
//! of users, addresses and orders there is no list, each is computed when its turn comes.

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::ids::{Entity, Id, IdForm, Keys};
use crate::numbers::{count, float, index, real, rounded, signed};
use crate::profile::Profile;
use crate::random::{Gaps, Purpose, Seeds, Stream, Weights};
use crate::time::{self, DAY, Zone, instant_text};
use crate::words;

/// What decides the data of a shop's first load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The seed.
    pub seed: u64,
    /// How many events the first load has, about.
    pub scale: u64,
    /// When the shop opened.
    #[serde(with = "instant_text")]
    pub start: i64,
    /// When the sessions of the first load end.
    #[serde(with = "instant_text")]
    pub end: i64,
    /// The shop's time zone, by its name in the IANA database.
    pub time_zone: String,
    /// How keys are written.
    pub ids: IdForm,
    /// How many products are sold.
    pub products: u64,
    /// How many promotions there are.
    pub promos: u64,
    /// Distributions.
    pub profile: Profile,
}

/// Days from the end of the sessions to the first load: by then everything has been delivered.
pub const SETTLING_DAYS: i64 = 10;

/// The beginning of the addresses of the shop's pages.
pub const BASE_URL: &str = "https://plants.example";

/// Users whose households are drawn together.
const CELL: u64 = 64;

/// A product.
#[derive(Debug, Clone)]
pub struct Product {
    /// Its key.
    pub id: Id,
    /// Its page.
    pub url: String,
    /// Its name.
    pub name: String,
    /// Its price.
    pub cents: i64,
    /// Units in stock.
    pub inventory: i64,
}

/// A promotion.
#[derive(Debug, Clone)]
pub struct Promo {
    /// Its name, which is its key.
    pub name: String,
    /// What it takes off an order.
    pub discount_cents: i64,
    /// Whether it is on now.
    pub is_active: bool,
}

/// The distributions, made ready to draw from; each is the profile's key of the same name.
#[derive(Debug, Clone)]
pub struct Choices {
    pub sharers: Weights,
    pub page_views: Weights,
    pub items: Weights,
    pub items_left_behind: Weights,
    pub gaps: Gaps,
    pub hours: Weights,
    pub services: Weights,
    pub status: Weights,
    pub products: Weights,
}

/// A shop.
#[derive(Debug, Clone)]
pub struct Shop {
    /// What decides the data.
    pub settings: Settings,
    /// Streams of random numbers.
    pub seeds: Seeds,
    /// Makes keys.
    pub keys: Keys,
    /// The clock of the shop.
    pub zone: Zone,
    /// Distributions.
    pub choices: Choices,
    /// Products by their number.
    pub products: Vec<Product>,
    /// Promotions by their number.
    pub promos: Vec<Promo>,
    /// The numbers of the promotions, the smallest discount first.
    pub promos_by_discount: Vec<usize>,
    /// Users of the first load.
    pub users: u64,
    /// Addresses of the first load.
    pub addresses: u64,
    /// Sessions of the one user who has so many.
    pub hub_sessions: u64,
    /// Mean of the sessions of the other active users, before it is rounded, and median.
    sessions_median: f64,
}

impl Shop {
    /// The shop of some settings. `last` is the last instant that anything may have.
    pub fn new(settings: Settings, last: i64) -> Result<Self, Failure> {
        let profile = &settings.profile;
        let seeds = Seeds::new(settings.seed);
        let keys = Keys::new(seeds.clone(), settings.ids);
        // People had accounts and events were late before the shop's first day.
        let time_zone: Tz = settings.time_zone.parse().map_err(|_| {
            Failure::Usage(format!(
                "unknown time zone `{}`; expected a name such as `America/Los_Angeles` or `UTC`",
                settings.time_zone
            ))
        })?;
        let zone = Zone::new(time_zone, settings.start - 4000 * DAY, last.max(settings.end) + 4000 * DAY);
        let orders = &profile.orders;
        let services = &orders.services;
        let status = &orders.status;
        let choices = Choices {
            sharers: Weights::new(&profile.addresses.sharers),
            page_views: Weights::new(&profile.sessions.page_views),
            items: Weights::new(&orders.items),
            items_left_behind: Weights::new(&profile.sessions.items_left_behind),
            gaps: Gaps::new(profile.sessions.gap_median, profile.sessions.gap_ninth_decile),
            hours: Weights::new(&profile.sessions.hours),
            services: Weights::new(&[services.ups, services.fedex, services.usps, services.dhl]),
            status: Weights::new(&[status.delivered, status.shipped, status.preparing]),
            products: Weights::zipf(index(settings.products), profile.products.skew),
        };
        let largest = real(signed(orders.items.len() as u64)) * orders.quantity[1] * profile.products.price[1];
        let journey =
            profile.journey.quantity[1] * profile.products.price[1] + profile.journey.shipping_cost[1] / 100.0;
        if largest.max(journey) + orders.shipping_cost[1] / 100.0 >= 1e6 {
            return Err(Failure::Usage(format!(
                "an order could cost {largest:.2} US dollars or more; expected less than 1000000, the most that the \
                 columns hold: lower `orders.quantity`, `journey.quantity` or `products.price`"
            )));
        }
        let users = count(float(settings.scale) * profile.users.per_1000_events / 1000.0).max(1);
        let sessions = float(settings.scale) / events_per_session(profile, &choices, settings.products);
        let hub_sessions = count(sessions * profile.users.hub_share).min((1 << crate::ids::SESSION_BITS) - 1);
        let active = (float(users) * (1.0 - profile.users.inactive) - 1.0).max(1.0);
        let sigma = profile.users.sessions_sigma;
        // The mean of a log-normal number is its median times exp(sigma^2 / 2).
        let sessions_median = (sessions - float(hub_sessions)) / active / (sigma * sigma / 2.0).exp();
        let products = (0..settings.products).map(|number| product(&settings, &seeds, &keys, number)).collect();
        let promos: Vec<Promo> = (0..settings.promos).map(|number| promo(&settings, &seeds, number)).collect();
        let mut promos_by_discount: Vec<usize> = (0..promos.len()).collect();
        promos_by_discount.sort_by_key(|promo| promos[*promo].discount_cents);
        let addresses = rounded(float(users) * profile.addresses.per_user);
        Ok(Self {
            seeds,
            keys,
            zone,
            choices,
            products,
            promos,
            promos_by_discount,
            users,
            addresses: u64::try_from(addresses).unwrap_or(0).max(users),
            hub_sessions,
            sessions_median,
            settings,
        })
    }

    /// The number of the address of a user of the first load.
    pub fn household(&self, user: u64) -> u64 {
        let cell = user / CELL;
        let mut stream = self.seeds.stream(Purpose::Households, cell);
        let place = user % CELL;
        let (mut household, mut covered) = (0, 0);
        loop {
            let is_shared = stream.chance(self.settings.profile.addresses.shared);
            covered += if is_shared { self.choices.sharers.draw(&mut stream) as u64 + 2 } else { 1 };
            if covered > place {
                return self.first_address(cell) + household;
            }
            household += 1;
        }
    }

    /// The number of the first address of a cell of users; a cell has at least as many addresses as users.
    fn first_address(&self, cell: u64) -> u64 {
        let users = (cell * CELL).min(self.users);
        index_of(u128::from(users) * u128::from(self.addresses) / u128::from(self.users))
    }

    /// How many sessions an active user has.
    pub fn sessions(&self, stream: &mut Stream) -> u64 {
        let sigma = self.settings.profile.users.sessions_sigma;
        let most = (1 << crate::ids::SESSION_BITS) - 1;
        count(self.sessions_median * (sigma * stream.normal()).exp()).clamp(1, most)
    }

    /// Another promotion than none for an order of so many cents, at random: none if all would give money back.
    pub fn promo_for(&self, cents: i64, stream: &mut Stream) -> Option<usize> {
        let possible = self.promos_by_discount.partition_point(|promo| self.promos[*promo].discount_cents <= cents);
        let choice = index(stream.below(possible as u64));
        (possible > 0).then(|| self.promos_by_discount[choice])
    }

    /// The last days of the months that have a budget.
    pub fn budget_months(&self) -> Vec<i64> {
        // The departments reckon in UTC.
        let day = |instant: i64| time::date(instant.div_euclid(DAY));
        time::month_ends(day(self.settings.start), day(self.settings.end - 1))
    }

    /// The units of a product that are expected in a month, if all products sell alike.
    pub fn expected_units(&self) -> f64 {
        let profile = &self.settings.profile;
        let sessions = float(self.settings.scale) / events_per_session(profile, &self.choices, self.settings.products);
        let [least, most] = profile.orders.quantity;
        let units = sessions * profile.sessions.with_checkout * self.choices.items.mean() * f64::midpoint(least, most);
        units / float(self.settings.products) / float(self.budget_months().len().max(1) as u64)
    }
}

fn index_of(number: u128) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// How many events a session has in the mean.
fn events_per_session(profile: &Profile, choices: &Choices, products: u64) -> f64 {
    let (cart, checkout) = (profile.sessions.with_cart, profile.sessions.with_checkout);
    let status = &profile.orders.status;
    let shipped = 1.0 - status.preparing / (status.delivered + status.shipped + status.preparing);
    let most = float(products);
    choices.page_views.mean()
        + checkout * (choices.items.mean().min(most) + 1.0 + shipped)
        + (cart - checkout) * choices.items_left_behind.mean().min(most)
}

fn product(settings: &Settings, seeds: &Seeds, keys: &Keys, number: u64) -> Product {
    let profile = &settings.profile.products;
    let mut stream = seeds.stream(Purpose::Product, number);
    let id = keys.id(Entity::Product, number);
    let [least, most] = profile.price;
    // A power of an even number has the mean 1 / (exponent + 1).
    let exponent = if most > least { (most - least) / (profile.price_mean - least) - 1.0 } else { 1.0 };
    let price = least + (most - least) * stream.unit().powf(exponent);
    let is_quarter = stream.chance(profile.quarters);
    let cents = if is_quarter { rounded(price * 4.0) * 25 } else { rounded(price * 100.0) };
    let cents = cents.clamp(rounded(least * 100.0), rounded(most * 100.0));
    let [fewest, greatest] = profile.inventory.map(rounded);
    let plants = words::PLANTS.len() as u64;
    let plant = words::PLANTS[index(number % plants)];
    let variety = words::VARIETIES.get(index((number / plants).wrapping_sub(1)));
    let name = match (number / plants, variety) {
        (0, _) => plant.to_owned(),
        (_, Some(variety)) => format!("{variety} {plant}"),
        (round, None) => format!("{plant} {round}"),
    };
    let url = format!("{BASE_URL}/product/{}", id.text());
    Product { id, url, name, cents, inventory: stream.between(fewest, greatest) }
}

fn promo(settings: &Settings, seeds: &Seeds, number: u64) -> Promo {
    let profile = &settings.profile.promos;
    let names = words::PROMOS.len() as u64;
    let name = words::PROMOS[index(number % names)];
    let name = if number < names { name.to_owned() } else { format!("{name} {}", number / names + 1) };
    let discounts = profile.discounts.len() as u64;
    let discount_cents = rounded(profile.discounts[index(number % discounts)]) * 100;
    let is_active = seeds.stream(Purpose::Promo, number).chance(profile.active);
    Promo { name, discount_cents, is_active }
}
