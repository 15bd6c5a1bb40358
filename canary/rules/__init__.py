"""What a user's object must fulfil beyond its shape: one small pure function for each rule.

One entry each: `shape` reads objects, `canary` has the rules for a Canary by itself, `queries` those for what metrics
servers are asked, `references` those for other objects that it names.

An error is what can never run as it is meant, or harms others; a warning what Flagger runs oddly, what means nothing on
Gloo, and all that is doubtful. An error that a newer version finds spares what was stored before (`spares_stored`). A
problem about something that is absent has the path of the absent field.
"""
