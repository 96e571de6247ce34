package org.lexvla.cli.demo;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Writes captions of scenes from a small grammar: lower case, with synonyms, function words and filler, and now and then without
 * the colours or without the background.
 *
 * <pre>
 * caption    = [opening] things [place] | place "," opening things
 * things     = party [link party]            link = relation | "and"
 * party      = ("a" | "two" | "a pair of" | "three") [filler adjective] [colour] noun
 * </pre>
 *
 * <p>At most one of colours (15 %) and place (20 %) is left out, so that no caption is a bare list of kinds. The count is always
 * said, and every party is named.
 */
final class SceneCaptions {
    private static final List<String> OPENINGS = List.of(
            "a photo of",
            "a nice photo of",
            "a picture of",
            "a beautiful picture of",
            "here we see",
            "here you can see",
            "this is",
            "there is",
            "an image showing",
            "we can see",
            "look at");

    /** Openings that may follow a place: "in the snow, there is …". */
    private static final List<String> MIDDLES = List.of("there is", "we see", "you can find", "someone put");

    private static final List<String> ADJECTIVES = List.of("nice", "lovely", "pretty");

    private SceneCaptions() {}

    /** Every phrase of the grammar that holds function or filler words. */
    static List<String> phrases() {
        List<String> phrases = new ArrayList<>(OPENINGS);
        phrases.addAll(MIDDLES);
        phrases.addAll(ADJECTIVES);
        for (Background background : Background.values()) {
            phrases.addAll(background.phrases());
        }
        for (Relation relation : Relation.values()) {
            phrases.addAll(relation.phrases());
        }
        phrases.addAll(List.of("a", "an", "and", "a pair of"));
        return phrases;
    }

    /**
     * One caption.
     *
     * @param complete says colours and background in any case
     */
    static String write(
            Background background,
            List<Scene.Party> parties,
            Relation relation,
            boolean complete,
            SplittableRandom random) {
        double omission = complete ? 1 : random.nextDouble();
        boolean colours = omission >= 0.15;
        boolean place = omission < 0.15 || omission >= 0.35;
        StringBuilder things = new StringBuilder(party(parties.get(0), colours, random));
        if (parties.size() > 1) {
            String link = random.nextDouble() < 0.3 ? "and" : pick(relation.phrases(), random);
            things.append(' ').append(link).append(' ').append(party(parties.get(1), colours, random));
        }
        if (!place) {
            return opening(random) + things;
        }
        String where = pick(background.phrases(), random);
        return random.nextDouble() < 0.2
                ? where + ", " + pick(MIDDLES, random) + " " + things
                : opening(random) + things + " " + where;
    }

    private static String opening(SplittableRandom random) {
        return random.nextDouble() < 0.45 ? "" : pick(OPENINGS, random) + " ";
    }

    private static String party(Scene.Party party, boolean colours, SplittableRandom random) {
        StringBuilder phrase = new StringBuilder();
        if (random.nextDouble() < 0.12) {
            phrase.append(pick(ADJECTIVES, random)).append(' ');
        }
        if (colours) {
            phrase.append(preferFirst(party.colour().group().words(), random)).append(' ');
        }
        boolean one = party.count() == 1;
        phrase.append(preferFirst(one ? party.kind().singulars() : party.kind().plurals(), random));
        if (one) {
            return ("aeiou".indexOf(phrase.charAt(0)) >= 0 ? "an " : "a ") + phrase;
        }
        String count = preferFirst(SceneWords.count(party.count()).words(), random);
        return ("pair".equals(count) ? "a pair of " : count + " ") + phrase;
    }

    private static String pick(List<String> phrases, SplittableRandom random) {
        return phrases.get(random.nextInt(phrases.size()));
    }

    /** The canonical word in two of three cases, else a synonym. */
    private static String preferFirst(List<String> words, SplittableRandom random) {
        if (words.size() == 1 || random.nextInt(3) < 2) {
            return words.get(0);
        }
        return words.get(1 + random.nextInt(words.size() - 1));
    }
}
