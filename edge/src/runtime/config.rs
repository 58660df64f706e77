//! The Worker's configuration from `wrangler.toml` and its secrets: read once an isolate, checked where it is used.

use std::cell::RefCell;
use std::rc::Rc;

use worker::Env;

use crate::runtime::{limits, user_hash};

/// No `Debug`: secrets do not belong in a log.
pub struct Config {
    pub development: bool,
    pub gate_shards: u64,
    /// Assigns users to Gates.
    pub gate_key: user_hash::Key,
    pub user_burst: u32,
    pub user_per_s: u32,
    pub allowed_origins: Vec<String>,
    pub payment_page_url: String,
    /// The hosted page's sign-in.
    pub login_url: String,
    pub session: SessionRules,
    /// `ADMIN_TOKENS` and `ADMIN_TOKEN`, as `auth::operator` reads them.
    pub admin_tokens: String,
    pub admin_token: String,
    /// The configured gateways. A name that the registry does not have has neither secret nor address.
    gateways: Vec<GatewayConfig>,
    /// Concurrent calls of `confirm` for unsigned messages.
    pub unsigned_at_once: usize,
    /// Concurrent calls of `confirm` for questions of signed-in buyers.
    pub buyers_at_once: usize,
    pub lambda: Lambda,
    /// `CONFIRM_KEY`: proves to `confirm` that a request is of a buyer whom the Worker has authenticated. Empty proves
    /// nothing.
    pub confirm_key: String,
}

/// One of `GATEWAYS`, with what the variables that the registry names for it say.
struct GatewayConfig {
    name: String,
    /// Several while one replaces another.
    webhook_secrets: Vec<String>,
    /// The addresses that its unsigned webhooks come from.
    addresses: Vec<String>,
}

/// Which session tokens are accepted.
#[derive(Default)]
pub struct SessionRules {
    /// Two while one replaces the other; new tokens are signed with the first.
    pub secrets: Vec<String>,
    /// The required `aud`, if any.
    pub audience: Option<String>,
    /// The required `iss`, if any.
    pub issuer: Option<String>,
}

/// Where the functions are and how to sign for them.
pub struct Lambda {
    pub url: String,
    pub region: String,
    /// The prefix of every function's name.
    pub prefix: String,
    /// The alias or version that is invoked. None: whatever was deployed last.
    pub qualifier: Option<String>,
    pub access_key_id: String,
    pub secret_access_key: String,
    pub session_token: Option<String>,
    /// The same with the key pair for `admin`, if there is one: then the other needs no permission for it.
    pub admin: Option<Box<Lambda>>,
}

impl Lambda {
    /// With the key pair for this function.
    pub fn for_function(&self, function: &str) -> &Self {
        match &self.admin {
            Some(admin) if function == "admin" => admin,
            _ => self,
        }
    }
}

thread_local! {
    /// An isolate's variables never change: a deployment starts new isolates.
    static CONFIG: RefCell<Option<Rc<Config>>> = const { RefCell::new(None) };
}

pub fn of(env: &Env) -> Rc<Config> {
    CONFIG.with_borrow_mut(|config| {
        let read = || Rc::new(Config::from(|name| env.var(name).ok().map(|value| value.to_string())));
        config.get_or_insert_with(read).clone()
    })
}

impl Config {
    /// The names of the configured gateways.
    pub fn gateways(&self) -> impl Iterator<Item = &str> {
        self.gateways.iter().map(|gateway| gateway.name.as_str())
    }

    /// A missing variable is empty. An empty secret accepts no token, an empty URL is never called.
    pub fn from(var: impl Fn(&str) -> Option<String>) -> Self {
        let text = |name: &str| var(name).unwrap_or_default();
        let optional = |name: &str| var(name).filter(|value| !value.is_empty());
        let at_least_one = |name: &str, default: u32| match text(name).parse() {
            Ok(number) if number > 0 => number,
            _ => default,
        };
        let lambda = |whose: &str| Lambda {
            url: text("LAMBDA_URL").trim_end_matches('/').to_owned(),
            region: text("AWS_REGION"),
            prefix: text("FUNCTION_PREFIX"),
            qualifier: optional("FUNCTION_QUALIFIER"),
            access_key_id: text(&format!("{whose}AWS_ACCESS_KEY_ID")),
            secret_access_key: text(&format!("{whose}AWS_SECRET_ACCESS_KEY")),
            session_token: optional(&format!("{whose}AWS_SESSION_TOKEN")),
            admin: None,
        };
        Self {
            development: text("ENVIRONMENT") == "development",
            gate_shards: at_least_one("GATE_SHARDS", 1).into(),
            gate_key: user_hash::Key::of(&text("GATE_KEY"), &text("SESSION_SECRET")),
            user_burst: at_least_one("USER_BURST", limits::USER_BURST),
            user_per_s: at_least_one("USER_PER_S", limits::USER_PER_S),
            allowed_origins: list(&text("ALLOWED_ORIGINS")),
            payment_page_url: text("PAYMENT_PAGE_URL"),
            login_url: text("LOGIN_URL"),
            session: SessionRules {
                secrets: ["SESSION_SECRET", "SESSION_SECRET_PREVIOUS"].into_iter().filter_map(optional).collect(),
                audience: optional("SESSION_AUDIENCE"),
                issuer: optional("SESSION_ISSUER"),
            },
            admin_tokens: text("ADMIN_TOKENS"),
            admin_token: text("ADMIN_TOKEN"),
            gateways: list(&var("GATEWAYS").unwrap_or_else(|| "standard".to_owned()))
                .into_iter()
                .map(|name| {
                    let known = payments::gateway(&name);
                    let listed = |variable: Option<&str>| variable.map(|name| list(&text(name))).unwrap_or_default();
                    let webhook_secrets = listed(known.map(|gateway| gateway.webhook_secret_variable));
                    let addresses = listed(known.and_then(|gateway| gateway.addresses_variable));
                    GatewayConfig { name, webhook_secrets, addresses }
                })
                .collect(),
            unsigned_at_once: usize::try_from(at_least_one("UNSIGNED_AT_ONCE", limits::UNSIGNED_AT_ONCE)).unwrap_or(1),
            buyers_at_once: usize::try_from(at_least_one("BUYERS_AT_ONCE", limits::BUYERS_AT_ONCE)).unwrap_or(1),
            confirm_key: list(&text("CONFIRM_KEY")).into_iter().next().unwrap_or_default(),
            lambda: Lambda {
                admin: Some(lambda("ADMIN_"))
                    .filter(|admin| !admin.access_key_id.is_empty() && !admin.secret_access_key.is_empty())
                    .map(Box::new),
                ..lambda("")
            },
        }
    }
}

impl Config {
    /// Whether an unsigned message comes from the gateway's own addresses. `address`: the client's, from Cloudflare.
    pub fn is_from_gateway(&self, gateway: &str, address: Option<&str>) -> bool {
        let addresses = self.gateway(gateway).map(|gateway| gateway.addresses.as_slice()).unwrap_or_default();
        address.is_some_and(|address| addresses.iter().any(|one| one == address))
    }

    /// None: this gateway is not configured.
    pub fn webhook_secrets(&self, gateway: &str) -> Option<&[String]> {
        self.gateway(gateway).map(|gateway| gateway.webhook_secrets.as_slice())
    }

    fn gateway(&self, name: &str) -> Option<&GatewayConfig> {
        self.gateways.iter().find(|gateway| gateway.name == name)
    }
}

fn list(commas: &str) -> Vec<String> {
    commas.split(',').map(|one| one.trim().trim_end_matches('/').to_owned()).filter(|one| !one.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_configured_is_the_strictest_configuration() {
        let config = Config::from(|_| None);
        assert!(!config.development && config.allowed_origins.is_empty() && config.session.secrets.is_empty());
        assert_eq!((config.gate_shards, config.user_burst, config.user_per_s), (1, 20, 5));
    }

    #[test]
    fn unreadable_numbers_and_zero_fall_back_to_the_default() {
        for (text, want) in [("7", 7), ("0", 20), ("-1", 20), ("x", 20), ("", 20)] {
            assert_eq!(Config::from(|name| (name == "USER_BURST").then(|| text.to_owned())).user_burst, want, "{text}");
        }
    }

    #[test]
    fn a_gateway_that_is_not_listed_is_off_whatever_secrets_are_set() {
        let config = Config::from(|name| match name {
            "GATEWAYS" => Some("standard, portone,toss".to_owned()),
            "PORTONE_WEBHOOK_SECRET" => Some("whsec_a,whsec_b".to_owned()),
            "STRIPE_WEBHOOK_SECRET" => Some("whsec_c".to_owned()),
            _ => None,
        });
        let secrets = |gateway| config.webhook_secrets(gateway).map(<[String]>::len);
        assert_eq!(
            [secrets("portone"), secrets("toss"), secrets("standard"), secrets("stripe")],
            [Some(2), Some(0), Some(0), None]
        );
    }

    #[test]
    fn every_gateway_is_documented_with_its_variables() {
        let wrangler = include_str!("../../../wrangler.toml");
        let (integrating, money) =
            (include_str!("../../../docs/integrating.md"), include_str!("../../../docs/payments.md"));
        for gateway in payments::GATEWAYS {
            let name = gateway.name;
            assert!(wrangler.lines().any(|line| line.starts_with('#') && line.contains(name)), "wrangler.toml: {name}");
            let addresses = gateway.addresses_variable;
            let set = |name: &str| wrangler.lines().any(|line| line.starts_with(&format!("{name} = ")));
            assert!(addresses.is_none_or(set), "wrangler.toml does not set {addresses:?}");

            let row = integrating.lines().find(|line| line.trim_start().starts_with(&format!("| `{name}`")));
            let row = row.unwrap_or_else(|| panic!("docs/integrating.md has no row of {name}"));
            let secret = gateway.webhook_secret_variable;
            assert!(row.contains(secret) == gateway.webhook.signs(), "docs/integrating.md: {secret}");
            let api = format!("{}_API_SECRET", name.to_ascii_uppercase());
            assert!(row.contains(&api), "docs/integrating.md: {api}");
            let rows = money.lines().filter(|line| line.starts_with(&format!("| `{name}` |"))).count();
            assert_eq!(rows, 2, "docs/payments.md: where {name} names the hold, and its amounts");
        }
    }

    #[test]
    fn an_unsigned_message_is_the_gateways_where_it_comes_from_one_of_its_addresses() {
        let config = |gateways: &'static str| {
            Config::from(move |name| match name {
                "GATEWAYS" => Some(gateways.to_owned()),
                "TOSS_ADDRESSES" => Some("192.0.2.1, 192.0.2.2".to_owned()),
                _ => None,
            })
        };
        let (with, without) = (config("toss,stripe"), config("stripe"));
        for (gateway, address, is) in [
            ("toss", Some("192.0.2.2"), true),
            ("toss", Some("192.0.2.3"), false),
            ("toss", None, false),
            ("stripe", Some("192.0.2.1"), false),
            ("other", Some("192.0.2.1"), false),
        ] {
            assert_eq!(with.is_from_gateway(gateway, address), is, "{gateway} {address:?}");
            assert!(!without.is_from_gateway(gateway, address), "{gateway} {address:?}");
        }
    }

    #[test]
    fn the_operators_function_has_a_key_pair_of_its_own_where_there_is_one() {
        let of = |names: &'static [&'static str]| {
            Config::from(move |name| names.contains(&name).then(|| name.to_owned())).lambda
        };
        let pair = |lambda: &Lambda, function| {
            let signing = lambda.for_function(function);
            (signing.access_key_id.clone(), signing.secret_access_key.clone(), signing.session_token.clone())
        };
        let (id, secret) = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY");
        let buyers = (id.to_owned(), secret.to_owned(), None);
        let two = of(&[
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "ADMIN_AWS_ACCESS_KEY_ID",
            "ADMIN_AWS_SECRET_ACCESS_KEY",
        ]);
        for function in ["reserve", "release", "lookup", "confirm"] {
            assert_eq!(pair(&two, function), buyers, "{function}");
        }
        assert_eq!(pair(&two, "admin"), (format!("ADMIN_{id}"), format!("ADMIN_{secret}"), None));
        // Half a pair does not count.
        let one = of(&["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "ADMIN_AWS_ACCESS_KEY_ID"]);
        assert_eq!(pair(&one, "admin"), buyers);
    }

    #[test]
    fn origins_are_a_list_with_commas() {
        assert_eq!(list(" https://a.example, ,https://b.example/"), ["https://a.example", "https://b.example"]);
    }
}
