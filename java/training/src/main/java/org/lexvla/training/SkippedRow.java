package org.lexvla.training;

/**
 * A row of a table of captions that a run does without.
 *
 * @param line   in the table, counted from 1; the header is line 1
 * @param file   as the table names it
 * @param reason for people
 */
public record SkippedRow(int line, String file, String reason) {}
