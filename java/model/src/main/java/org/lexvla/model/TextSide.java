package org.lexvla.model;

/** What turns a text into words (SPEC §3, §8). */
public enum TextSide {
    /** The prompted language model, its last hidden state projected on the text codebook. */
    LANGUAGE_MODEL,
    /** The text's own nouns, adjectives and non-auxiliary verbs, each with the same weight; nothing of it is trained. */
    BAG_OF_WORDS
}
