"""Rows that are alike, stored once with how often they occur: what lets a file of any length be judged in memory."""
