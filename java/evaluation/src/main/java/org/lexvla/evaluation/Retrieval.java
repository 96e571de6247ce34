package org.lexvla.evaluation;

import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.function.IntToDoubleFunction;
import java.util.function.IntUnaryOperator;
import java.util.stream.IntStream;

/**
 * Recall at k between images and captions, both ways (SPEC §8). An image may have several captions; a caption belongs to one image.
 *
 * <p>The rank of a query is the number of wrong candidates placed before the best right one, so 0 is a hit at 1. What a tie does is
 * the {@link Ties} rule; sparse vectors tie often (at score 0), so the rule is part of every figure. Ours is {@link Ties#WORST}: a tie
 * counts against us.
 *
 * <pre>{@code
 * Retrieval found = Retrieval.of(similarity, owner, Retrieval.Ties.WORST);
 * found.textToImage().recall(1);
 * }</pre>
 */
public final class Retrieval {
    /** What becomes of a wrong candidate whose score equals that of the best right one. */
    public enum Ties {
        /** It comes after: optimistic; a model that scores everything alike is perfect. */
        STRICT,
        /** It comes before: pessimistic. */
        WORST,
        /** The lower index comes first, as a stable sort would have it. */
        STABLE
    }

    private final Direction imageToText;
    private final Direction textToImage;

    private Retrieval(Direction imageToText, Direction textToImage) {
        this.imageToText = imageToText;
        this.textToImage = textToImage;
    }

    /**
     * Ranks every image against the captions and every caption against the images.
     *
     * @param similarity [images][captions], no NaN
     * @param owner image of each caption
     * @param ties rule for equal scores
     * @throws IllegalArgumentException if the shapes do not fit, an owner is no image, or a score is NaN
     */
    public static Retrieval of(float[][] similarity, int[] owner, Ties ties) {
        return of(similarity.length, image -> similarity[image].length, (i, c) -> similarity[i][c], owner, ties);
    }

    /** As {@link #of(float[][], int[], Ties)}, for scores in double precision. */
    public static Retrieval of(double[][] similarity, int[] owner, Ties ties) {
        return of(similarity.length, image -> similarity[image].length, (i, c) -> similarity[i][c], owner, ties);
    }

    /** Scores in whichever precision they come: a copy of those of MSCOCO would take a gigabyte. */
    private interface Scores {
        double of(int image, int caption);
    }

    private static Retrieval of(int images, IntUnaryOperator captionsOf, Scores scores, int[] owner, Ties ties) {
        check(images, captionsOf, scores, owner);
        int[] imageRanks = new int[images];
        int[] imageQueries = new int[images];
        int ranked = 0;
        for (int image = 0; image < images; image++) {
            int row = image;
            boolean[] own = new boolean[owner.length];
            boolean any = false;
            for (int caption = 0; caption < own.length; caption++) {
                own[caption] = owner[caption] == image;
                any |= own[caption];
            }
            // An image without a caption asks for nothing.
            if (any) {
                imageQueries[ranked] = image;
                imageRanks[ranked++] = rank(owner.length, caption -> scores.of(row, caption), own, ties);
            }
        }
        int[] textRanks = new int[owner.length];
        for (int caption = 0; caption < textRanks.length; caption++) {
            int column = caption;
            boolean[] own = new boolean[images];
            own[owner[caption]] = true;
            textRanks[caption] = rank(images, image -> scores.of(image, column), own, ties);
        }
        return new Retrieval(
                new Direction(Arrays.copyOf(imageRanks, ranked), Arrays.copyOf(imageQueries, ranked), images),
                new Direction(textRanks, owner.clone(), images));
    }

    /** Images as queries, captions as candidates; images without a caption are left out. */
    public Direction imageToText() {
        return imageToText;
    }

    /** Captions as queries, images as candidates. */
    public Direction textToImage() {
        return textToImage;
    }

    private static int rank(int candidates, IntToDoubleFunction scores, boolean[] own, Ties ties) {
        double best = Double.NEGATIVE_INFINITY;
        int bestIndex = -1;
        for (int i = 0; i < candidates; i++) {
            if (own[i] && (bestIndex < 0 || scores.applyAsDouble(i) > best)) {
                best = scores.applyAsDouble(i);
                bestIndex = i;
            }
        }
        int before = 0;
        for (int i = 0; i < candidates; i++) {
            if (own[i]) {
                continue;
            }
            double score = scores.applyAsDouble(i);
            boolean tieBefore = ties == Ties.WORST || (ties == Ties.STABLE && i < bestIndex);
            before += score > best || (score == best && tieBefore) ? 1 : 0;
        }
        return before;
    }

    private static void check(int images, IntUnaryOperator captionsOf, Scores scores, int[] owner) {
        for (int image = 0; image < images; image++) {
            if (captionsOf.applyAsInt(image) != owner.length) {
                throw new IllegalArgumentException("similarity has " + captionsOf.applyAsInt(image)
                        + " captions for image " + image + ", owners are " + owner.length
                        + ": give one owner per caption");
            }
            for (int caption = 0; caption < owner.length; caption++) {
                if (Double.isNaN(scores.of(image, caption))) {
                    throw new IllegalArgumentException("similarity of image " + image + " and caption " + caption
                            + " is NaN, which has no rank: look for NaN in the vectors");
                }
            }
        }
        for (int caption = 0; caption < owner.length; caption++) {
            if (owner[caption] < 0 || owner[caption] >= images) {
                throw new IllegalArgumentException("caption " + caption + " belongs to image " + owner[caption]
                        + ", but there are " + images + " images");
            }
        }
    }

    /** Recall at 1, 5 and 10. */
    public record Recalls(double r1, double r5, double r10) {}

    /** From {@code low} to {@code high}. */
    public record Interval(double low, double high) {}

    /**
     * How an interval is drawn.
     *
     * @param samples draws, at least 1
     * @param level   share of the draws inside the interval, in (0, 1)
     * @param seed    of the draws
     */
    public record Bootstrap(int samples, double level, long seed) {
        public Bootstrap {
            if (samples < 1 || !(level > 0 && level < 1)) {
                throw new IllegalArgumentException("bootstrap of " + samples + " samples at level " + level
                        + ": needs at least one sample and a level between 0 and 1");
            }
        }
    }

    /** The ranks of the queries of one direction. */
    public static final class Direction {
        private final int[] ranks;
        /** Image of each query. */
        private final int[] owner;

        private final int images;

        private Direction(int[] ranks, int[] owner, int images) {
            this.ranks = ranks;
            this.owner = owner;
            this.images = images;
        }

        /** Rank of each query, 0 for a hit at 1. */
        public int[] ranks() {
            return ranks.clone();
        }

        /**
         * Share of queries that have a right candidate among the k first; 0 without queries.
         *
         * @param k at least 1
         */
        public double recall(int k) {
            if (k < 1) {
                throw new IllegalArgumentException("recall at " + k + ": k must be at least 1");
            }
            int hits = 0;
            for (int rank : ranks) {
                hits += rank < k ? 1 : 0;
            }
            return ranks.length == 0 ? 0 : hits / (double) ranks.length;
        }

        /** Recall at 1, 5 and 10. */
        public Recalls recalls() {
            return new Recalls(recall(1), recall(5), recall(10));
        }

        /**
         * How far recall at k would move with another draw of queries: the percentile bootstrap over images. An image is drawn with
         * all its captions, because they are right or wrong together; the candidates stay as they are. NaN without queries.
         *
         * @param k at least 1
         */
        public Interval interval(int k, Bootstrap bootstrap) {
            int[] hits = new int[images];
            int[] queries = new int[images];
            for (int query = 0; query < ranks.length; query++) {
                queries[owner[query]]++;
                hits[owner[query]] += ranks[query] < k ? 1 : 0;
            }
            int[] asking = IntStream.range(0, images)
                    .filter(image -> queries[image] > 0)
                    .toArray();
            if (asking.length == 0) {
                return new Interval(Double.NaN, Double.NaN);
            }
            SplittableRandom random = new SplittableRandom(bootstrap.seed);
            double[] recalls = new double[bootstrap.samples];
            for (int sample = 0; sample < recalls.length; sample++) {
                long hit = 0;
                long asked = 0;
                for (int draw = 0; draw < asking.length; draw++) {
                    int image = asking[random.nextInt(asking.length)];
                    hit += hits[image];
                    asked += queries[image];
                }
                recalls[sample] = hit / (double) asked;
            }
            Arrays.sort(recalls);
            double tail = (1 - bootstrap.level) / 2;
            int low = (int) Math.floor(tail * (recalls.length - 1));
            return new Interval(recalls[low], recalls[recalls.length - 1 - low]);
        }

        /** Median rank, counted from 0; the mean of the two middle ones for an even number; NaN without queries. */
        public double medianRank() {
            if (ranks.length == 0) {
                return Double.NaN;
            }
            int[] sorted = ranks.clone();
            Arrays.sort(sorted);
            int middle = sorted.length / 2;
            return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2.0;
        }
    }
}
