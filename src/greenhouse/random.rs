//! Chance that can be repeated: streams of random numbers, each known by a purpose and a number.
//!
//! Every user, session and row has a stream of its own, made from the seed alone. So any of them can be made again
//! without the others, in any order and on any thread. The conversions to other types are written out here, so that a
//! new version of a crate of random numbers does not change the data of a seed.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use crate::numbers::{float, index, rounded};

/// What a stream decides. The numbers are part of what a seed means: never change one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Whether a user is active, since when and how much.
    User = 1,
    /// Name, telephone and address of mail of one version of a user.
    Person = 2,
    /// How the users of a cell share their addresses.
    Households = 3,
    /// Street and town of one version of an address.
    Street = 4,
    /// A session of the first load with its order.
    Session = 5,
    /// Price and stock of a product.
    Product = 6,
    /// Status of a promotion.
    Promo = 7,
    /// The planned units of a product.
    Budget = 8,
    /// A buying journey.
    Journey = 9,
    /// Which users, addresses and orders a journey's batch changes.
    Changes = 10,
    /// Whether a session is late, and how much.
    Late = 11,
    /// Defects of whole files.
    Files = 12,
    /// Defects of the rows of a table; the table's number is added.
    Dirt = 32,
}

/// Everything that follows from the seed alone.
#[derive(Debug, Clone)]
pub struct Seeds {
    key: [u8; 32],
}

impl Seeds {
    /// The streams of a seed.
    pub fn new(seed: u64) -> Self {
        Self { key: blake3::derive_key("karat greenhouse: streams and ids, first form", &seed.to_le_bytes()) }
    }

    /// The stream of a purpose and a number.
    pub fn stream(&self, purpose: Purpose, number: u64) -> Stream {
        self.numbered(purpose as u8, number)
    }

    /// The stream of the defects of a table's row.
    pub fn dirt(&self, table: u8, number: u64) -> Stream {
        self.numbered(Purpose::Dirt as u8 + table, number)
    }

    fn numbered(&self, purpose: u8, number: u64) -> Stream {
        let mut seed = self.key;
        seed[0] ^= purpose;
        let mut generator = ChaCha8Rng::from_seed(seed);
        generator.set_stream(number);
        Stream { generator }
    }

    /// A hash of 128 bits, keyed by the seed, of a thing's kind and number.
    pub fn digest(&self, kind: u8, number: u64) -> u128 {
        let mut input = [0; 9];
        input[0] = kind;
        input[1..].copy_from_slice(&number.to_le_bytes());
        let hash = blake3::keyed_hash(&self.key, &input);
        let mut first = [0; 16];
        first.copy_from_slice(&hash.as_bytes()[..16]);
        u128::from_be_bytes(first)
    }
}

/// A sequence of random numbers.
#[derive(Debug, Clone)]
pub struct Stream {
    generator: ChaCha8Rng,
}

impl Stream {
    /// A number of 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.generator.next_u64()
    }

    /// A number from 0 to 1, without 1.
    pub fn unit(&mut self) -> f64 {
        float(self.bits() >> 11) / float(1 << 53)
    }

    /// True with a probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A whole number below a bound; 0 if the bound is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        u64::try_from((u128::from(self.bits()) * u128::from(bound)) >> 64).unwrap_or(0)
    }

    /// A whole number from the first to the last, both included.
    pub fn between(&mut self, first: i64, last: i64) -> i64 {
        let span = u64::try_from(last.saturating_sub(first)).unwrap_or(0) + 1;
        first.saturating_add_unsigned(self.below(span))
    }

    /// An item of a list; the list is not empty.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[index(self.below(items.len() as u64))]
    }

    /// A number of the normal distribution with mean 0 and standard deviation 1.
    pub fn normal(&mut self) -> f64 {
        let (radius, angle) = (1.0 - self.unit(), self.unit());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }
}

/// Places 0, 1, 2 and so on with weights.
#[derive(Debug, Clone)]
pub struct Weights {
    /// The sum of the weights up to each place, divided by the sum of all.
    cumulative: Vec<f64>,
}

impl Weights {
    /// The distribution of a list of weights, which are not all zero.
    pub fn new(weights: &[f64]) -> Self {
        let total: f64 = weights.iter().sum();
        let mut sum = 0.0;
        let mut cumulative: Vec<f64> = weights
            .iter()
            .map(|weight| {
                sum += weight;
                sum / total
            })
            .collect();
        // Rounding must not leave a gap below 1.
        let last = weights.iter().rposition(|weight| *weight > 0.0).unwrap_or(0);
        cumulative.iter_mut().skip(last).for_each(|sum| *sum = 1.0);
        Self { cumulative }
    }

    /// Zipf's law: the place n has the weight 1 / (n + 1) ^ exponent.
    pub fn zipf(places: usize, exponent: f64) -> Self {
        let weights: Vec<f64> = (1..=places).map(|rank| float(rank as u64).powf(-exponent)).collect();
        Self::new(&weights)
    }

    /// The place of a number from 0 to 1: greater numbers have greater places.
    pub fn place(&self, unit: f64) -> usize {
        self.cumulative.partition_point(|sum| *sum <= unit).min(self.cumulative.len().saturating_sub(1))
    }

    /// A random place.
    pub fn draw(&self, stream: &mut Stream) -> usize {
        self.place(stream.unit())
    }

    /// The mean of place + 1.
    pub fn mean(&self) -> f64 {
        let mut former = 0.0;
        let mut mean = 0.0;
        for (place, sum) in self.cumulative.iter().enumerate() {
            mean += (sum - former) * float(place as u64 + 1);
            former = *sum;
        }
        mean
    }
}

/// Waiting times of Weibull's distribution, given by their median and by what nine of ten are below. Where the second
/// is 3.32 times the first, it is the exponential distribution.
#[derive(Debug, Clone, Copy)]
pub struct Gaps {
    scale: f64,
    /// The inverse of Weibull's shape.
    exponent: f64,
}

impl Gaps {
    /// From the median and the ninth decile, in seconds, the second greater than the first.
    pub fn new(median: f64, decile: f64) -> Self {
        let (two, ten) = (std::f64::consts::LN_2, std::f64::consts::LN_10);
        let exponent = (decile / median).ln() / (ten / two).ln();
        Self { scale: median / two.powf(exponent), exponent }
    }

    /// A waiting time in whole seconds.
    pub fn draw(&self, stream: &mut Stream) -> i64 {
        let wait = -(1.0 - stream.unit()).ln();
        rounded(self.scale * wait.powf(self.exponent))
    }
}
