"""`serin doctor`: is everything well that Serin needs, and which command mends what is not?"""
