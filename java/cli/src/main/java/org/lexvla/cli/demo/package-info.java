/**
 * The world of {@code ./lexvla demo}: scenes with captions and masks drawn from a seed, what a model reaches on those it has not
 * seen, and the report.
 *
 * <p>True content words of a scene are its kinds, colours, counts above one and background, a group of synonyms and plurals counting
 * once ({@link org.lexvla.cli.demo.Scene#truth()}). Words of relations are function words: whether the ball lies left of the boat
 * cannot be said by a bag of words.
 */
package org.lexvla.cli.demo;
