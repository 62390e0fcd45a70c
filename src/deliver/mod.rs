//! Mails and subscribers to messages at a relay, from the durable queue.
