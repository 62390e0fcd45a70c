//! Asks a CAPTCHA's provider whether somebody has passed. hCaptcha, Turnstile and Friendly Captcha answer alike.

use std::time::Duration;

use reqwest::Client;
use serde::Deserialize;

use crate::config::Captcha;

/// How long the provider may take.
const PATIENCE: Duration = Duration::from_secs(8);

/// More than any provider writes into its field.
const ANSWER_LIMIT: usize = 16 * 1024;

/// What the provider says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A person.
    Passed,
    /// Not passed, or not tried.
    Failed,
    /// It could not be asked; this is why.
    Unknown(String),
}

/// The way to the provider.
pub(crate) struct Verifier {
    client: Client,
    captcha: Captcha,
}

#[derive(Deserialize)]
struct Said {
    success: bool,
}

impl Verifier {
    /// # Errors
    /// When the HTTP client cannot be set up.
    pub(crate) fn new(captcha: &Captcha) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .timeout(PATIENCE)
            .user_agent("postround")
            .build()?;
        Ok(Self { client, captcha: captcha.clone() })
    }

    /// The field that has the answer.
    pub(crate) fn field(&self) -> &str {
        &self.captcha.field
    }

    /// Verifies what the widget has put into the form. The visitor's network is not passed on.
    pub(crate) async fn verify(&self, answer: &str) -> Verdict {
        if answer.is_empty() || answer.len() > ANSWER_LIMIT {
            return Verdict::Failed;
        }
        let body = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("secret", self.captcha.secret.reveal())
            .append_pair("response", answer)
            // Friendly Captcha's first version calls it so.
            .append_pair("solution", answer)
            .append_pair("sitekey", &self.captcha.site_key)
            .finish();
        let request = self.client.post(self.captcha.verify_url.clone());
        let request = request
            .header("content-type", "application/x-www-form-urlencoded")
            // And its second wants the secret here.
            .header("x-api-key", self.captcha.secret.reveal())
            .body(body);
        let said = async { request.send().await?.error_for_status()?.bytes().await };
        match said.await {
            Ok(said) => match serde_json::from_slice::<Said>(&said) {
                Ok(Said { success: true }) => Verdict::Passed,
                Ok(Said { success: false }) => Verdict::Failed,
                Err(error) => Verdict::Unknown(error.to_string()),
            },
            // The address is the operator's; the secret is not in it.
            Err(error) => Verdict::Unknown(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use wiremock::matchers::{body_string_contains, header, method};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;
    use crate::config::Secret;

    async fn verdict(answer: &str, response: ResponseTemplate) -> Verdict {
        let server = MockServer::start().await;
        let request = Mock::given(method("POST")).and(header("x-api-key", "s&1"));
        let request = request.and(body_string_contains("secret=s%261&response=yes&solution=yes&sitekey=public"));
        request.respond_with(response).mount(&server).await;
        let captcha = Captcha {
            script_url: "https://challenge.example/api.js".parse().unwrap(),
            verify_url: server.uri().parse().unwrap(),
            site_key: "public".to_owned(),
            secret: Secret::new("s&1"),
            class: "c".to_owned(),
            field: "f".to_owned(),
            origins: Vec::new(),
        };
        Verifier::new(&captcha).unwrap().verify(answer).await
    }

    #[tokio::test]
    async fn the_provider_decides_and_its_failure_is_no_answer() {
        let json = |text: &str| ResponseTemplate::new(200).set_body_string(text);
        assert_eq!(verdict("yes", json("{\"success\": true, \"more\": 1}")).await, Verdict::Passed);
        assert_eq!(verdict("yes", json("{\"success\": false, \"error-codes\": []}")).await, Verdict::Failed);
        assert!(matches!(verdict("yes", json("<html>")).await, Verdict::Unknown(_)));
        assert!(matches!(verdict("yes", ResponseTemplate::new(500)).await, Verdict::Unknown(_)));
        assert_eq!(verdict("", json("{\"success\": true}")).await, Verdict::Failed);
    }
}
