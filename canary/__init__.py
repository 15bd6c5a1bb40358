"""The pure core: API model, validation rules, phases, judging and decisions. No I/O, no clock, no event loop."""
