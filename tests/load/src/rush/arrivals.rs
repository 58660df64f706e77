//! Each buyer's arrival and behaviour: drawn from a seed before the start, so that a rush can be repeated and no
//! response changes the next arrival.

use std::time::Duration;

/// A drop's shape: the rate is highest at the opening and falls by a factor of e in every third of the time.
const FALLS_IN: f64 = 3.0;
/// Shares of buyers with a second tab: with a key of its own, and with the first one's.
const TWO_KEYS: f64 = 0.05;
const ONE_KEY_TWICE: f64 = 0.05;
/// Of the winners who do not pay, the share that gives the hold back; the rest just goes.
const POLITE: f64 = 0.5;
/// Finding the card takes at least this, and on average as long again.
const THINKS_AT_LEAST: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tabs {
    One,
    /// Two tabs, a press in each at the same moment: two keys.
    TwoKeys,
    /// The same request leaves twice at the same moment: a double click, a proxy.
    OneKeyTwice,
}

/// What a buyer does with a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    Pays,
    /// Gives it back.
    Releases,
    /// Closes the page.
    Leaves,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buyer {
    pub number: usize,
    /// After the opening.
    pub at: Duration,
    /// Which of the sale's SKUs.
    pub sku: usize,
    pub tabs: Tabs,
    pub then: Then,
    /// Between the hold and what is done with it.
    pub thinks: Duration,
}

/// What a rush is.
#[derive(Clone, Debug)]
pub struct Options {
    pub buyers: usize,
    /// Pieces, shared out among the SKUs.
    pub stock: u32,
    pub over: Duration,
    /// The share of the winners who pay.
    pub pay: f64,
    pub skus: usize,
    pub seed: u64,
    /// Buyers behind one address.
    pub per_address: usize,
}

impl Options {
    /// The pieces of one SKU: equal shares, the first ones take what is left over.
    pub fn stock_of(&self, sku: usize) -> u32 {
        let skus = self.skus.max(1) as u32;
        self.stock / skus + u32::from((sku as u32) < self.stock % skus)
    }
}

/// The buyers in the order of their arrival.
pub fn draw(options: &Options) -> Vec<Buyer> {
    let mut random = fastrand::Rng::with_seed(options.seed);
    let mut buyers: Vec<Buyer> = (0..options.buyers)
        .map(|_| Buyer {
            number: 0,
            at: arrival(options.over, random.f64()),
            sku: random.usize(0..options.skus.max(1)),
            tabs: match random.f64() {
                x if x < TWO_KEYS => Tabs::TwoKeys,
                x if x < TWO_KEYS + ONE_KEY_TWICE => Tabs::OneKeyTwice,
                _ => Tabs::One,
            },
            then: match (random.f64() < options.pay, random.f64() < POLITE) {
                (true, _) => Then::Pays,
                (false, true) => Then::Releases,
                (false, false) => Then::Leaves,
            },
            thinks: THINKS_AT_LEAST + THINKS_AT_LEAST.mul_f64(-(1.0 - random.f64()).ln()),
        })
        .collect();
    buyers.sort_by_key(|buyer| buyer.at);
    for (number, buyer) in buyers.iter_mut().enumerate() {
        buyer.number = number;
    }
    buyers
}

/// The moment before which the share `part` of all have come: an exponential that ends at `over`.
fn arrival(over: Duration, part: f64) -> Duration {
    let within = 1.0 - (-FALLS_IN).exp();
    over.mul_f64((-(1.0 - part * within).ln() / FALLS_IN).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options { buyers: 20_000, stock: 500, over: Duration::from_secs(9), pay: 0.7, skus: 3, seed: 7, per_address: 1 }
    }

    #[test]
    fn the_same_seed_is_the_same_rush_and_another_seed_another_one() {
        assert_eq!(draw(&options()), draw(&options()));
        assert_ne!(draw(&options()), draw(&Options { seed: 8, ..options() }));
    }

    #[test]
    fn all_arrivals_are_in_time_in_order_and_mostly_early() {
        let buyers = draw(&options());
        assert_eq!(buyers.len(), 20_000);
        assert!(buyers.windows(2).all(|two| two[0].at <= two[1].at));
        assert!(buyers.iter().enumerate().all(|(n, buyer)| buyer.number == n && buyer.at <= options().over));
        // Thirds of the time, each a factor of e below the one before: 66.5 %, 24.5 %, 9 %.
        let came_in = |third: u64| buyers.iter().filter(|b| b.at.as_secs() / 3 == third).count() as f64 / 20_000.0;
        for (third, share) in [(0, 0.665), (1, 0.245), (2, 0.090)] {
            assert!((came_in(third) - share).abs() < 0.015, "third {third}: {}", came_in(third));
        }
    }

    #[test]
    fn shares_are_as_configured() {
        let buyers = draw(&options());
        let share = |what: &dyn Fn(&Buyer) -> bool| buyers.iter().filter(|b| what(b)).count() as f64 / 20_000.0;
        for (found, wanted) in [
            (share(&|b| b.then == Then::Pays), 0.7),
            (share(&|b| b.then == Then::Releases), 0.15),
            (share(&|b| b.then == Then::Leaves), 0.15),
            (share(&|b| b.tabs == Tabs::TwoKeys), 0.05),
            (share(&|b| b.tabs == Tabs::OneKeyTwice), 0.05),
            (share(&|b| b.sku == 2), 1.0 / 3.0),
        ] {
            assert!((found - wanted).abs() < 0.015, "{found} for {wanted}");
        }
    }

    #[test]
    fn no_piece_is_lost_between_the_skus() {
        for (stock, skus) in [(500, 3), (2, 3), (0, 4), (7, 1)] {
            let options = Options { stock, skus, ..options() };
            assert_eq!((0..skus).map(|sku| options.stock_of(sku)).sum::<u32>(), stock);
        }
    }
}
