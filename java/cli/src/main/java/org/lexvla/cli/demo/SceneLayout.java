package org.lexvla.cli.demo;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/** Chooses where the objects of a scene stand: inside the picture, apart from each other, as their relation says. */
final class SceneLayout {
    private SceneLayout() {}

    /**
     * Boxes of one or two parties.
     *
     * @param relation of the first to the second; null when second is 0
     */
    static List<List<Scene.Box>> place(int first, int second, Relation relation, int size, SplittableRandom random) {
        int all = first + second;
        List<Scene.Box> boxes = switch (all) {
            case 1 -> List.of(inside(0, 0, size, size, between(0.46, 0.7, random) * size, random));
            case 2 -> two(relation == Relation.ABOVE || (relation == null && random.nextInt(4) == 0), size, random);
            case 3 -> three(second == 0 ? null : relation, size, random);
            default -> throw new IllegalArgumentException("no layout for " + all + " objects: at most 3");
        };
        if (second == 1 && relation == Relation.NEXT_TO && random.nextBoolean()) {
            // Next to says nothing of the side: mirror, so that the first named stands right as often as left.
            List<Scene.Box> mirrored = new ArrayList<>();
            for (Scene.Box box : boxes) {
                mirrored.add(new Scene.Box(size - box.x() - box.side(), box.y(), box.side()));
            }
            boxes = mirrored;
        }
        return List.of(boxes.subList(0, first), boxes.subList(first, all));
    }

    /** One box in each quarter of the picture, for one party each. */
    static List<List<Scene.Box>> quarters(int size, SplittableRandom random) {
        double half = size / 2.0;
        List<List<Scene.Box>> quarters = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            double side = between(0.36, 0.49, random) * size;
            quarters.add(List.of(inside(i % 2 * half, i / 2 * half, half, half, side, random)));
        }
        return quarters;
    }

    /** Side by side, the first left; or the first above. */
    private static List<Scene.Box> two(boolean stacked, int size, SplittableRandom random) {
        double cut = size / 2.0;
        double one = between(0.38, 0.48, random) * size;
        double other = between(0.38, 0.48, random) * size;
        if (stacked) {
            double x = between(0.08, 0.92 - Math.max(one, other) / size, random) * size;
            double sway = between(-0.1, 0.1, random) * size;
            return List.of(
                    new Scene.Box(x, cut - one - between(0, cut - one, random), one),
                    new Scene.Box(clamp(x + sway, 0, size - other), cut + between(0, cut - other, random), other));
        }
        double y = between(0.08, 0.92 - Math.max(one, other) / size, random) * size;
        double sway = between(-0.14, 0.14, random) * size;
        return List.of(
                new Scene.Box(between(0, cut - one, random), y, one),
                new Scene.Box(cut + between(0, cut - other, random), clamp(y + sway, 0, size - other), other));
    }

    /** Three of a kind as a triangle or a row; two and one as the relation says. */
    private static List<Scene.Box> three(Relation relation, int size, SplittableRandom random) {
        double side = between(0.33, 0.38, random) * size;
        double third = size / 3.0;
        double half = size / 2.0;
        if (relation == null && random.nextBoolean()) {
            side = 0.325 * size;
            double y = between(0.1, 0.55, random) * size;
            List<Scene.Box> row = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                row.add(new Scene.Box(i * third + (third - side) / 2, y + between(-0.08, 0.08, random) * size, side));
            }
            return row;
        }
        if (relation == null || relation == Relation.ABOVE) {
            // Two above, one below; for three of a kind a triangle.
            return List.of(
                    inside(0, 0, half, half, side, random),
                    inside(half, 0, half, half, side, random),
                    inside(size / 4.0, half, half, half, side, random));
        }
        return List.of(
                inside(0, 0, half, half, side, random),
                inside(0, half, half, half, side, random),
                inside(half, size / 4.0, half, half, between(0.38, 0.46, random) * size, random));
    }

    private static Scene.Box inside(
            double x, double y, double width, double height, double side, SplittableRandom random) {
        return new Scene.Box(x + between(0, width - side, random), y + between(0, height - side, random), side);
    }

    private static double between(double from, double to, SplittableRandom random) {
        return from + (to - from) * random.nextDouble();
    }

    private static double clamp(double value, double from, double to) {
        return Math.max(from, Math.min(to, value));
    }
}
