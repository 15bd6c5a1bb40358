"""How often judging errs: the product's judge and count reader, played against a simulated Envoy and Prometheus."""
